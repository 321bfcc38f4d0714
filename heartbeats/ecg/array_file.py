"""Read a recording from a table of numbers: a CSV file with the lead names in its first row, or a NumPy file."""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.calibration import bridge_lead
from heartbeats.ecg.header import STANDARD_LEADS, canonical_lead
from heartbeats.ecg.recording import Recording, RecordingError

SUFFIXES = (".csv", ".npy")
UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}  # in mV


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what such a file does not say to a command's options."""
    parser.add_argument("--rate", type=float, metavar="HZ", help="sampling rate of a CSV or NumPy file")
    parser.add_argument("--unit", choices=UNITS, default="mV", help="unit of a CSV or NumPy file (default: mV)")
    parser.add_argument("--leads", default=",".join(STANDARD_LEADS), help="of a NumPy file (default: %(default)s)")


def read_with_options(path: Path, options: argparse.Namespace) -> Recording:
    """Read a file with a command's options.

    Raises:
        RecordingError: the rate is not given, or as :func:`read_array_file`.
    """
    if not options.rate:
        raise RecordingError(f"{path.name} needs its sampling rate: --rate HZ")
    leads = [name.strip() for name in options.leads.split(",")]
    return read_array_file(path, sampling_rate=options.rate, unit=options.unit, leads=leads)


def read_array_file(
    path: Path, *, sampling_rate: float, unit: str = "mV", leads: Sequence[str] = STANDARD_LEADS
) -> Recording:
    """Read a CSV file (a column per lead) or a NumPy file (an array of shape (leads, samples) or (samples, leads)).

    Empty cells and NaN are missing samples, which are bridged. Only columns with the name of a standard lead are read.

    Args:
        path: the file; its name without suffix names the recording.
        sampling_rate: in Hz.
        unit: of the numbers: mV, uV or V.
        leads: names of the leads of a NumPy file; a CSV file has its own in the first row.

    Raises:
        RecordingError: the file cannot be read, or does not hold a table of these leads.
    """
    table, leads = _read_table(path, leads)
    kept = [i for i, lead in enumerate(leads) if canonical_lead(lead) in STANDARD_LEADS]
    others = ", ".join(leads[i] or "no name" for i in range(len(leads)) if i not in kept)
    if not kept:
        raise RecordingError(f"{path.name}: no column has the name of a standard lead (I, II, V1, ...): {others}")
    table, leads = table[kept], [leads[i] for i in kept]
    gaps = ~np.isfinite(table)
    said = [f"not read, no standard leads: {others}"] if others else []
    said += [text for row, gap, lead in zip(table, gaps, leads, strict=True) for text in bridge_lead(row, gap, lead)]
    missing = tuple(gaps.sum(axis=1).tolist())
    return Recording(path.stem, UNITS[unit] * table, sampling_rate, tuple(leads), missing=missing, warnings=tuple(said))


def _read_table(path: Path, leads: Sequence[str]) -> tuple[npt.NDArray[np.float64], Sequence[str]]:
    """Return the numbers of a file, shape (leads, samples), and the names of their leads."""
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                first, *rows = csv.reader(file)
            leads = [name.strip() for name in first]
            table = np.array([[float(cell) if cell.strip() else np.nan for cell in row] for row in rows if row]).T
        else:
            table = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError, EOFError) as error:
        form = ": commas between columns, points in numbers, rows of one length" if path.suffix == ".csv" else ""
        raise RecordingError(f"{path.name} is not a table of numbers{form} ({error})") from error
    if table.ndim == 2 and len(table) != len(leads) and table.shape[1] == len(leads):
        table = table.T
    if table.ndim != 2 or len(table) != len(leads):
        raise RecordingError(f"{path.name} has the shape {table.shape}, but there are {len(leads)} names of leads")
    return table, leads
