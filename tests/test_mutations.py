"""A slice of the campaign of benchmarks/mutations.py, and that it would see what it looks for."""

import tempfile
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from benchmarks import mutations
from benchmarks.damage import ODD_NAMES, Seed, mutate, real_seeds, simulated_seeds
from benchmarks.mutations import Report, check_folder, run_campaign, tiny_classifier
from heartbeats.preparation.prepared import Failure, PreparedRecording, prepare_file


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> list[Seed]:
    return simulated_seeds(tmp_path_factory.mktemp("seeds") / "simulated", records=6)


@pytest.fixture(autouse=True)
def _kept_files(tmp_path_factory, monkeypatch) -> None:
    """What a campaign keeps for study goes where pytest clears away."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("kept")))


def assert_no_faults(report: Report, mutations: int) -> None:
    assert report.faults == []
    assert report.mutations == mutations
    assert report.classified + sum(report.refused.values()) == mutations
    assert report.classified > 0.1 * mutations
    assert len(report.refused) > 5, "mutations that hardly differ show little"


def test_damaged_simulated_recordings(seeds, tmp_path):
    assert_no_faults(run_campaign(seeds, tmp_path, mutations=300, seed=1, folder_seconds=60), 300)


def test_damaged_real_recordings(ecg_data, tmp_path):
    seeds = real_seeds(ecg_data, records=20)
    assert {seed.suffix for seed in seeds} == {".mat", ".dat"}
    assert_no_faults(run_campaign(seeds, tmp_path, mutations=100, seed=2, folder_seconds=60), 100)


@pytest.mark.parametrize("ending", ODD_NAMES, ids=ascii)
def test_odd_file_names(ending, seeds, tmp_path):
    """A header file's name may be nearly anything; a whole recording of such a name is answered like any other."""
    (tmp_path / "data").mkdir()
    for name in ("A1", f"A2{ending}"):
        (tmp_path / f"data/{name}.hea").write_bytes(seeds[0].named("A1"))
        (tmp_path / f"data/{name}.mat").write_bytes(seeds[0].signal)
    check_folder(tmp_path, tiny_classifier(), report := Report())
    assert (report.classified, report.faults) == (2, [])


def test_the_same_seed_gives_the_same_mutation(seeds):
    first, again, other = (mutate(seeds[0], seeds, np.random.default_rng(seed), 7) for seed in (3, 3, 4))
    assert first == again != other


def test_whole_copies_are_classified(seeds, tmp_path):
    """What is refused is refused for its faults."""
    (tmp_path / "data").mkdir()
    for number, seed in enumerate(seeds):
        (tmp_path / f"data/A{number}.hea").write_bytes(seed.named(f"A{number}"))
        (tmp_path / f"data/A{number}{seed.suffix}").write_bytes(seed.signal)
    check_folder(tmp_path, tiny_classifier(), report := Report())
    assert (report.classified, report.faults, report.warnings) == (len(seeds), [], {})


def unforeseen(header_file: Path) -> PreparedRecording | Failure:
    return Failure(header_file.stem, "unforeseen KeyError: 'x'")


def ending(header_file: Path) -> PreparedRecording | Failure:
    """What read_ahead makes of a process that ended (tests/test_read_ahead.py ends one)."""
    return Failure(header_file.stem, "reading it crashed the process: its files are damaged or too large")


def writing(header_file: Path) -> PreparedRecording | Failure:
    header_file.with_suffix(".new").touch()
    return prepare_file(header_file)


def nameless(header_file: Path) -> PreparedRecording | Failure:
    return Failure(header_file.stem, "cannot be read: ")


@pytest.mark.parametrize(
    ("prepare", "seen"),
    [
        (unforeseen, "KeyError"),
        (ending, "crashed the process"),
        (writing, "changed outside"),
        (nameless, "names nothing"),
    ],
)
def test_the_campaign_sees(prepare, seen, seeds, tmp_path, monkeypatch):
    monkeypatch.setattr(mutations, "prepare_and_watch", prepare)
    (tmp_path / "data").mkdir()
    for name in ("A1", "A2"):
        (tmp_path / f"data/{name}.hea").write_bytes(seeds[0].named(name))
        (tmp_path / f"data/{name}.mat").write_bytes(seeds[0].signal)
    check_folder(tmp_path, tiny_classifier(), report := Report())
    assert any(seen in fault for fault in report.faults)


def test_the_campaign_sees_lost_records_and_exceptions(seeds, tmp_path, monkeypatch):
    def losing(*_arguments: object) -> NoReturn:
        raise ValueError("lost")

    monkeypatch.setattr(mutations, "classify_folder", losing)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/A1.hea").write_bytes(seeds[0].named("A1"))
    (tmp_path / "data/A1.mat").write_bytes(seeds[0].signal)
    check_folder(tmp_path, tiny_classifier(), report := Report())
    assert len(report.lost) == 1
    assert any("lost" in fault for fault in report.broken)


def test_the_campaign_sees_a_hang(seeds, tmp_path, monkeypatch):
    def hanging(*_arguments: object) -> NoReturn:
        while True:
            pass

    monkeypatch.setattr(mutations, "classify_folder", hanging)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/A1.hea").write_bytes(seeds[0].named("A1"))
    check_folder(tmp_path, tiny_classifier(), report := Report(), seconds=1)
    assert any("hang" in fault for fault in report.broken)
