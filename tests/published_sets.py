"""Small data sets in the form of their owners, and helpers that read a conversion."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from conftest import TWELVE, ecg

from heartbeats.datasets import hefei
from heartbeats.datasets.writer import Report
from heartbeats.ecg.header import find_headers, parse_header

NORMAL, BRADY, LAD = "426783006", "426177001", "39732003"
UNSCORED = "164873001"


def problems(report: Report, outcome: str) -> dict[str, str]:
    """Return the reasons of the problems with an outcome, by recording."""
    return {problem.recording: problem.reason for problem in report.problems if problem.outcome == outcome}


def diagnoses(out: Path) -> dict[str, tuple[str, ...]]:
    return {path.stem: parse_header(path.read_text()).diagnoses for path in find_headers(out)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


UNITS = np.rint(ecg(leads=8).T / 4.88).astype(int)  # of 4.88 µV, shape (5000, 8)
GOOD = "1001.txt\t60\tMALE\t窦性心律\t电轴左偏"


def signal_text(units: np.ndarray = UNITS, leads: Sequence[str] = hefei.LEADS) -> str:
    return "\n".join([" ".join(leads), *(" ".join(map(str, row)) for row in units)]) + "\n"


def write_hefei(folder: Path, labels: Sequence[str], texts: dict[str, str], encoding: str = "utf-8") -> Path:
    """Write a label file, a list of terms, and a text file for each of ``texts``."""
    (folder / "train").mkdir(parents=True)
    (folder / "hf_round1_label.txt").write_bytes("\n".join(labels).encode(encoding))
    (folder / "hf_round1_arrythmia.txt").write_text("窦性心律\n电轴左偏\n", encoding="utf-8")
    for name, text in texts.items():
        (folder / "train" / name).write_text(text)
    return folder


def write_plain(folder: Path, name: str, samples: np.ndarray, rate: float) -> None:
    """Write a WFDB record in PTB-XL's form: .dat of format 16, leads AVR, AVL and AVF in capitals."""
    folder.mkdir(parents=True, exist_ok=True)
    samples.T.astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(samples)} {rate:g} {samples.shape[1]}"]
    lines += [f"{name}.dat 16 1000.0(0)/mV 16 0 0 0 0 {lead.upper()}" for lead in TWELVE]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


def write_ptbxl(folder: Path, *changes: dict[str, str]) -> Path:
    """Write PTB-XL with a row per change of a good row, and the records."""
    folder.mkdir()
    table = []
    for number, change in enumerate(changes, start=1):
        good = {
            "ecg_id": str(number),
            "age": "56.0",
            "sex": "1",
            "report": "sinusrhythmus, normales ekg\nzweite zeile",
            "scp_codes": "{'NORM': 100.0, 'SR': 0.0}",
            "heart_axis": "",
            "filename_lr": f"records100/00000/{number:05d}_lr",
            "filename_hr": f"records500/00000/{number:05d}_hr",
        }
        table.append(good | change)
        write_plain(folder / "records500/00000", f"{number:05d}_hr", ecg() + number, 500)
        write_plain(folder / "records100/00000", f"{number:05d}_lr", ecg(sampling_rate=100) + number, 100)
    with (folder / "ptbxl_database.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return folder


LUDB_COMMENTS = "#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus rhythm.\n#Left ventricular hypertrophy. \n"


def ludb_set(folder: Path, comments: dict[str, str]) -> Path:
    """Write records in LUDB's form, with other gains and baselines."""
    (folder / "data").mkdir(parents=True)
    for name, text in comments.items():
        (ecg().T * 2 + 7).astype("<i2").tofile(folder / f"data/{name}.dat")
        lines = [f"{name} 12 500 5000", *(f"{name}.dat 16 2000(7)/mV 0 0 0 0 0 {lead.lower()}" for lead in TWELVE)]
        (folder / f"data/{name}.hea").write_text("\n".join(lines) + "\n" + text)
    (folder / "RECORDS").write_text("".join(f"data/{name}\n" for name in comments))
    return folder
