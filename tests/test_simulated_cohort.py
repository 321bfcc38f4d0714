"""Simulated cohorts as files: what they hold, that seeds decide them, and the command."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sleepecg
import wfdb

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import read_recording
from heartbeats.simulation import cohort, simulate_cohort
from heartbeats.simulation.codes import Code

LEAD = {name: row for row, name in enumerate(STANDARD_LEADS)}
CPSC_CODES = {
    *("426783006", "164889003", "270492004", "164909002", "59118001", "284470004", "164884008", "429622005"),
    "164931005",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of 250 recordings."""
    directory = tmp_path_factory.mktemp("cohort") / "made" / "by it"
    simulate_cohort(directory, records=250, seed=3)
    return directory


@pytest.fixture(scope="module")
def headers(folder: Path) -> list[Path]:
    """The header files of the cohort."""
    return sorted(folder.glob("*.hea"))


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a folder but README.txt, which states the number of recordings."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "README.txt"}


def labels(header: Path) -> set[str]:
    """The diagnoses of a header."""
    return set(read_recording(header).diagnoses)


def test_the_files_are_headers_signals_and_a_readme(folder: Path, headers: list[Path]) -> None:
    assert len(headers) == 250
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["README.txt", *(path.name for path in headers), *(path.with_suffix(".mat").name for path in headers)]
    )
    assert "None of them is of a patient" in (folder / "README.txt").read_text()
    for header in headers:
        assert header.read_text().splitlines()[-1].lstrip("# ") == "Simulated: by HeartBeats, not a patient"


def test_wfdb_reads_the_same_samples_as_scipy(headers: list[Path]) -> None:
    for header in headers[::5]:
        record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
        samples = scipy.io.loadmat(header.with_suffix(".mat"))["val"]
        assert samples.dtype == np.int16
        assert np.array_equal(record.d_signal.T, samples)
        assert [checksum % 2**16 for checksum in record.checksum] == record.calc_checksum()
        assert all(-(2**15) <= checksum < 2**15 for checksum in record.checksum)
        assert record.init_value == samples[:, 0].tolist()
        assert record.adc_gain == [1000] * 12
        assert record.baseline == [0] * 12
        assert tuple(record.sig_name) == STANDARD_LEADS
        assert {unit.lower() for unit in record.units} == {"mv"}
        assert np.ptp(samples, axis=1).min() > 50


def test_signals_begin_as_the_challenges_do(headers: list[Path]) -> None:
    # The first 24 bytes of the Challenge's HR00001.mat: int16, 12 rows, 5000 columns, real, "val".
    real = bytes.fromhex("1e000000 0c000000 88130000 00000000 04000000 76616c00")
    assert real == struct.pack("<5i4s", 30, 12, 5000, 0, 4, b"val")
    for header in headers:
        record = wfdb.rdheader(str(header.with_suffix("")))
        begin = header.with_suffix(".mat").read_bytes()[:24]
        assert begin == real[:8] + struct.pack("<i", record.sig_len) + real[12:]
        assert header.with_suffix(".mat").stat().st_size == 24 + 2 * 12 * record.sig_len


def test_both_header_dialects_occur_and_are_read_without_reservations(headers: list[Path]) -> None:
    texts = [header.read_text() for header in headers]
    later = ["16x1+24 1000.0(0)/m" in text for text in texts]
    assert 0.1 < np.mean(later) < 0.3
    for text, is_later in zip(texts, later, strict=True):
        assert ("# Dx: " in text) == is_later
        assert ("#Dx: " in text) != is_later
        assert ("16+24 1000/m" in text) != is_later
        assert (len(text.splitlines()[0].split()) == 4) == is_later  # no date
    for header in headers:
        recording = read_recording(header)
        assert recording.warnings == ()
        assert recording.sex in {"Male", "Female"}
        assert recording.diagnoses
    ages = np.array([read_recording(header).age for header in headers])
    assert np.isnan(ages).any()
    assert ((ages >= 18) & (ages <= 95) | np.isnan(ages)).all()
    assert "/mv 16" in "".join(texts)


def test_sources_have_their_names_rates_lengths_and_shares(headers: list[Path]) -> None:
    rates = {"A": 500, "Q": 500, "S": 1000, "HR": 500, "E": 500, "I": 257}
    lengths: dict[str, list[float]] = {prefix: [] for prefix in rates}
    for header in headers:
        prefix = header.stem.rstrip("0123456789")
        record = wfdb.rdheader(str(header.with_suffix("")))
        assert record.fs == rates[prefix]
        lengths[prefix].append(record.sig_len / record.fs)
        assert len(header.stem) == len(prefix) + (5 if prefix in {"HR", "E"} else 4)
    assert set(lengths["HR"]) == {10}
    assert set(lengths["E"]) == {10, 5}
    assert min(lengths["A"]) >= 6
    assert max(lengths["A"]) <= 60
    assert 0.4 < len(lengths["HR"]) / 250 < 0.6
    assert len(lengths["S"]) < 10
    assert f"A{len(lengths['A']):04d}" in {header.stem for header in headers}  # numbered without gaps


def test_sources_write_their_own_codes(headers: list[Path]) -> None:
    written: dict[str, set[str]] = {}
    for header in headers:
        written.setdefault(header.stem.rstrip("0123456789"), set()).update(labels(header))
        if header.stem.startswith("A"):
            assert labels(header) <= CPSC_CODES
            assert labels(header) == {"426783006"} or "426783006" not in labels(header)
    assert written["E"].isdisjoint({"713427006", "427172004"})
    assert written["HR"].isdisjoint({"59118001", "17338001", "164884008"})
    assert "59118001" in written["A"] & written["E"]
    assert "713427006" in written["HR"]
    assert len(set.union(*written.values())) >= 20


def test_cpsc_does_not_say_all_that_was_simulated() -> None:
    cpsc, ptb_xl = (next(s for s in cohort._SOURCES if s.prefix == prefix) for prefix in ("A", "HR"))
    simulated = {Code.SINUS_TACHYCARDIA, Code.RBBB, Code.LEFT_AXIS}
    assert cohort._labels(cpsc, simulated) == ("59118001",)
    assert cohort._labels(ptb_xl, simulated) == tuple(sorted(simulated))
    assert cohort._labels(cpsc, {Code.SINUS_RHYTHM, Code.LOW_VOLTAGE}) == (Code.SINUS_RHYTHM,)
    assert cohort._labels(cpsc, {Code.SINUS_TACHYCARDIA}) == ()


def test_rate_labels_agree_with_a_detector(headers: list[Path]) -> None:
    limits = {Code.SINUS_RHYTHM: (0.6, 1.0), Code.SINUS_BRADYCARDIA: (1.0, 1.6), Code.SINUS_TACHYCARDIA: (0.3, 0.6)}
    agreed = []
    for header in headers:
        for code in limits.keys() & labels(header):
            recording = read_recording(header)
            beats = sleepecg.detect_heartbeats(recording.signal[LEAD["I"]], recording.sampling_rate)
            shortest, longest = limits[Code(code)]
            agreed.append(shortest < np.median(np.diff(beats)) / recording.sampling_rate < longest)
    assert len(agreed) > 100
    assert np.mean(agreed) > 0.95


def test_same_seed_same_bytes_other_seed_other_bytes_and_no_record_depends_on_those_after_it(tmp_path: Path) -> None:
    for name, records, seed in (("eight", 8, 7), ("again", 8, 7), ("five", 5, 7), ("other", 8, 8)):
        simulate_cohort(tmp_path / name, records=records, seed=seed)
    eight, again, five, other = (contents(tmp_path / name) for name in ("eight", "again", "five", "other"))
    assert eight == again
    assert len(five) == 10
    assert five.items() <= eight.items()
    assert set(eight.values()).isdisjoint(other.values())


def test_a_killed_run_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_cohort(tmp_path / "whole", records=6, seed=1)
    calls: Iterator[int] = iter(range(100))

    def interrupted(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        if next(calls) == 8:  # README.txt and three records have their names, and the fourth its .mat
            raise KeyboardInterrupt
        Path(source).rename(target)

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(tmp_path / "killed", records=6, seed=1)
    killed, whole = contents(tmp_path / "killed"), contents(tmp_path / "whole")
    assert killed.items() <= whole.items()
    assert sum(name.endswith(".hea") for name in killed) == 3
    assert sum(name.endswith(".mat") for name in killed) == 4


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m heartbeats.simulation``."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "heartbeats.simulation", *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_command_writes_the_same_as_the_function(tmp_path: Path) -> None:
    simulate_cohort(tmp_path / "function", records=4, seed=9)
    done = run(tmp_path / "command", "--records", "4", "--seed", "9")
    assert done.returncode == 0, done.stderr
    assert "simulated" in done.stdout
    assert done.stderr == ""  # no progress bar without a terminal
    assert contents(tmp_path / "command") == contents(tmp_path / "function")


def test_the_command_refuses_what_it_cannot_do_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "A0001.hea").write_text("somebody's")
    (tmp_path / "file").write_text("")
    for arguments in (
        (tmp_path / "new", "--records", "0"),
        (tmp_path / "new", "--seed", "-1"),
        (tmp_path / "full",),
        (tmp_path / "file",),
    ):
        refused = run(*arguments)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert refused.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    assert contents(tmp_path / "full") == {"A0001.hea": b"somebody's"}
