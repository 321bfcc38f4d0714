"""Read a recording from a table of numbers: a CSV file with the lead names in its first row, or a NumPy file."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heartbeats.ecg.calibration import bridge_lead
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording, RecordingError

SUFFIXES = (".csv", ".npy")
UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}  # in mV


def read_array_file(
    path: Path, *, sampling_rate: float, unit: str = "mV", leads: Sequence[str] = STANDARD_LEADS
) -> Recording:
    """Read a CSV file (a column per lead) or a NumPy file (an array of shape (leads, samples) or (samples, leads)).

    Empty cells and NaN are missing samples, which are bridged.

    Args:
        path: the file; its name without suffix names the recording.
        sampling_rate: in Hz.
        unit: of the numbers: mV, uV or V.
        leads: names of the leads of a NumPy file; a CSV file has its own in the first row.

    Raises:
        RecordingError: the file cannot be read, or does not hold a table of these leads.
    """
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                first, *rows = csv.reader(file)
            leads = [name.strip() for name in first]
            table = np.array([[float(cell) if cell.strip() else np.nan for cell in row] for row in rows if row]).T
        else:
            table = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(f"{path.name} is not a table of numbers: {error}") from error
    if table.ndim == 2 and len(table) != len(leads) and table.shape[1] == len(leads):
        table = table.T
    if table.ndim != 2 or len(table) != len(leads):
        raise RecordingError(f"{path.name} has the shape {table.shape}, but there are {len(leads)} names of leads")
    gaps = ~np.isfinite(table)
    said = [text for row, gap, lead in zip(table, gaps, leads, strict=True) for text in bridge_lead(row, gap, lead)]
    missing = tuple(gaps.sum(axis=1).tolist())
    return Recording(path.stem, UNITS[unit] * table, sampling_rate, tuple(leads), missing=missing, warnings=tuple(said))
