"""A part of the campaign of benchmarks/mutations.py, and checks that it finds faults."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import mutations
from benchmarks.mutations import ODD_NAMES, Copy, check_driver, damage, run_campaign, short_copies
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import unclassified, write_output


@pytest.fixture(scope="module")
def copies(simulated: Path) -> list[Copy]:
    return short_copies([simulated], records=6)


def write(copies: list[Copy], names: list[str], folder: Path) -> None:
    """Write undamaged copies into files with other names. A header can only contain plain names."""
    (folder / "data").mkdir(parents=True)
    for copy, name in zip(copies, names, strict=False):
        (folder / f"data/{name}.hea").write_bytes(copy.header_as("A1"))
        (folder / f"data/{name}{copy.suffix}").write_bytes(copy.signal)


def test_damaged_simulated_recordings(copies, tmp_path):
    refused, faults = run_campaign(copies, tmp_path, mutations=300, seed=1)
    assert faults == []
    assert 100 < refused < 270, "all or no recordings refused would show little"


def test_damaged_real_recordings(ecg_data, tmp_path):
    copies = short_copies([ecg_data / name for name in ("challenge", "quirks", "ludb/data", "mitdb")], records=10)
    assert {copy.suffix for copy in copies} == {".mat", ".dat"}
    refused, faults = run_campaign(copies, tmp_path, mutations=100, seed=2)
    assert faults == []
    assert 20 < refused < 90


def test_undamaged_copies_with_odd_names_are_classified(copies, tmp_path):
    write(copies, [f"A{i}" for i in range(len(copies))], tmp_path / "plain")
    write([copies[0]] * len(ODD_NAMES), [f"A{ending}" for ending in ODD_NAMES], tmp_path / "odd")
    assert check_driver(tmp_path / "plain") == (0, [])
    assert check_driver(tmp_path / "odd") == (0, [])


def test_the_same_seed_gives_the_same_mutation(copies):
    first, again, other = (damage(copies[0], copies, np.random.default_rng(seed), 7) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize(
    ("driver", "seen"),
    [
        ("raise ValueError('broken')", "ValueError: broken"),
        ("while True: pass", "status -9"),
        ("open('data/new', 'w')", "changed outside"),
        ("pass", "lost"),
    ],
)
def test_the_campaign_sees_a_driver_that(driver, seen, copies, tmp_path, monkeypatch):
    monkeypatch.setattr(mutations, "DRIVER", ["timeout", "--signal=KILL", "2", sys.executable, "-c", driver])
    write(copies, ["A1"], tmp_path / "run")
    _, faults = check_driver(tmp_path / "run")
    assert any(seen in fault for fault in faults)


@pytest.mark.parametrize(
    "reason", ["unforeseen KeyError: 'x'", "reading it ended the process: damaged", "cannot read: "]
)
def test_the_campaign_sees_a_bad_reason(reason, tmp_path):
    write_output(tmp_path / "A1.csv", unclassified("A1", CLASSES))
    assert mutations.fault_of("A1", tmp_path / "A1.csv", reason)
    assert mutations.fault_of("A1", tmp_path / "A1.csv", None)
    assert not mutations.fault_of("A1", tmp_path / "A1.csv", "A1.mat cannot be read: cut short")
