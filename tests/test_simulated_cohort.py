"""Simulated cohorts: their files, their labels, equal files for equal seeds, and the command."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.simulation import simulate_cohort
from heartbeats.simulation.__main__ import main

CPSC_CODES = {
    *("426783006", "164889003", "270492004", "164909002", "59118001", "284470004", "164884008", "429622005"),
    "164931005",
}


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The header files of a cohort of 250 recordings."""
    directory = tmp_path_factory.mktemp("cohort") / "new" / "folder"
    simulate_cohort(directory, records=250, seed=3)
    return sorted(directory.glob("*.hea"))


@pytest.fixture(scope="module")
def recordings(headers: list[Path]) -> list[Recording]:
    """The recordings of that cohort."""
    return [read_recording(header) for header in headers]


def prefix(name: str) -> str:
    return name.rstrip("0123456789")


def contents(directory: Path) -> dict[str, bytes]:
    """Return all files of a folder but README.txt, which states the number of recordings."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "README.txt"}


def test_every_file_says_that_it_is_simulated(headers):
    folder = headers[0].parent
    assert len(headers) == 250
    expected = {"README.txt", *(header.with_suffix(suffix).name for header in headers for suffix in (".hea", ".mat"))}
    assert {path.name for path in folder.iterdir()} == expected
    assert "None of them is of a patient" in (folder / "README.txt").read_text()
    for header in headers:
        assert header.read_text().splitlines()[-1].lstrip("# ") == "Simulated: by HeartBeats, not a patient"


def test_both_header_dialects_occur_and_are_read_without_warnings(headers, recordings):
    texts = [header.read_text() for header in headers]
    later = ["16x1+24 1000.0(0)/m" in text for text in texts]
    assert 0.1 < np.mean(later) < 0.3
    for text, is_later in zip(texts, later, strict=True):
        assert ("# Dx: " in text) == is_later
        assert ("16+24 1000/m" in text) != is_later
        assert (len(text.splitlines()[0].split()) == 4) == is_later  # no date
    assert "/mv 16" in "".join(texts)
    ages = np.array([recording.age for recording in recordings])
    assert np.isnan(ages).any()
    assert ((ages >= 18) & (ages <= 95) | np.isnan(ages)).all()
    for recording in recordings:
        assert (recording.warnings, recording.leads) == ((), STANDARD_LEADS)
        assert recording.sex in {"Male", "Female"}
        assert recording.diagnoses


def test_sources_have_their_names_rates_lengths_and_shares(headers):
    rates = {"A": 500, "Q": 500, "S": 1000, "HR": 500, "E": 500, "I": 257}
    lengths: dict[str, list[float]] = {source: [] for source in rates}
    for header in headers:
        record, source = wfdb.rdheader(str(header.with_suffix(""))), prefix(header.stem)
        assert record.fs == rates[source]
        lengths[source].append(record.sig_len / record.fs)
        assert len(header.stem) == len(source) + (5 if source in {"HR", "E"} else 4)
    assert set(lengths["HR"]) == {10}
    assert set(lengths["E"]) == {10, 5}
    assert 6 <= min(lengths["A"]) <= max(lengths["A"]) <= 60
    assert 0.4 < len(lengths["HR"]) / 250 < 0.6
    assert len(lengths["S"]) < 10
    assert f"A{len(lengths['A']):04d}" in {header.stem for header in headers}  # numbered without gaps


def test_sources_write_their_own_codes(recordings):
    written: dict[str, set[str]] = {}
    for recording in recordings:
        written.setdefault(prefix(recording.name), set()).update(recording.diagnoses)
        if prefix(recording.name) == "A":
            assert set(recording.diagnoses) <= CPSC_CODES
            assert recording.diagnoses == ("426783006",) or "426783006" not in recording.diagnoses
    assert written["E"].isdisjoint({"713427006", "427172004"})
    assert written["HR"].isdisjoint({"59118001", "17338001", "164884008"})
    assert "59118001" in written["A"] & written["E"]
    assert "713427006" in written["HR"]
    assert len(set.union(*written.values())) >= 20


def test_equal_seeds_give_equal_files(tmp_path):
    for name, records, seed in (("eight", 8, 7), ("again", 8, 7), ("five", 5, 7), ("other", 8, 8)):
        simulate_cohort(tmp_path / name, records=records, seed=seed)
    eight, again, five, other = (contents(tmp_path / name) for name in ("eight", "again", "five", "other"))
    assert eight == again
    assert len(five) == 10
    assert five.items() <= eight.items()
    assert set(eight.values()).isdisjoint(other.values())


def test_the_command_writes_the_same_as_the_function(tmp_path, capsys):
    simulate_cohort(tmp_path / "function", records=4, seed=9)
    main([str(tmp_path / "command"), "--records", "4", "--seed", "9"])
    said = capsys.readouterr()
    assert "4 simulated recordings" in said.out
    assert said.err == ""  # no progress bar without a terminal
    assert contents(tmp_path / "command") == contents(tmp_path / "function")


@pytest.mark.parametrize("arguments", [("new", "--records", "0"), ("new", "--seed", "-1"), ("full",), ("full/file",)])
def test_the_command_refuses_bad_arguments(tmp_path, arguments):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"heartbeats\.simulation: "):
        main([str(tmp_path / arguments[0]), *arguments[1:]])
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert contents(tmp_path / "full") == {"file": b"mine"}
