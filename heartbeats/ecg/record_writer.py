"""Recordings written in the Challenge's format: NAME.mat (MATLAB 4, int16), and NAME.hea in either of its dialects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.io

from heartbeats.common.files import replace_file, write_text
from heartbeats.ecg.recording import Recording, RecordingError

__all__ = ["make_empty_folder", "write_record"]

GAIN = 1000  # ADC units per mV, as in every corrected header of the Challenge
LARGEST = 2**15 - 1  # -2**15 is WFDB's "no sample"


def make_empty_folder(folder: Path) -> None:
    """Make a folder that recordings are to be written into.

    Raises:
        FileExistsError: it is a file or holds something already, which is left as it is.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder, so that no recording is overwritten")


def write_record(
    folder: Path,
    recording: Recording,
    *,
    later_dialect: bool = False,
    unit: str = "mV",
    date: str = "",
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a recording, rounded to 1000 ADC units per mV: NAME.mat, then NAME.hea.

    Args:
        folder: where to.
        recording: name, signal, leads, age, sex and diagnoses are written.
        later_dialect: that of 2021's later release, else that of 2020.
        unit: the header's spelling of mV.
        date: the last words of the header's first line.
        notes: comments that the header ends with.

    Raises:
        RecordingError: a sample does not fit 16 bits.
        OSError: the folder cannot be written.
    """
    units = np.rint(recording.signal * GAIN)
    if (largest := np.abs(units).max()) > LARGEST:
        raise RecordingError(f"a sample of {largest / GAIN:g} mV does not fit 16 bits at {GAIN} ADC units per mV")
    samples = units.astype(np.int16)
    first = f"{recording.name} {len(samples)} {recording.sampling_rate:g} {samples.shape[1]} {date}".rstrip()
    layout = f"16x1+24 {GAIN:.1f}(0)/{unit}" if later_dialect else f"16+24 {GAIN}/{unit}"
    leads = [
        f"{recording.name}.mat {layout} 16 0 {row[0]} {_checksum(row)} 0 {lead}"
        for row, lead in zip(samples, recording.leads, strict=True)
    ]
    mark = "# " if later_dialect else "#"
    comments = [f"{mark}{key}: {value}" for key, value in (_patient(recording) | dict(notes or {})).items()]
    # Whole files, the header last: after a killed run there are no headers without their signals.
    replace_file(
        folder / f"{recording.name}.mat",
        lambda part: scipy.io.savemat(part, {"val": samples}, appendmat=False, format="4"),
    )
    write_text(folder / f"{recording.name}.hea", "\n".join([first, *leads, *comments]) + "\n")


def _checksum(samples: npt.NDArray[np.int16]) -> int:
    """WFDB's checksum of a lead: the sum of its samples in 16 bits."""
    return int(samples.sum(dtype=np.int16))


def _patient(recording: Recording) -> dict[str, str]:
    """The comments that every header of the Challenge has."""
    age = "NaN" if math.isnan(recording.age) else f"{recording.age:g}"
    patient = {"Age": age, "Sex": recording.sex or "NaN", "Dx": ",".join(recording.diagnoses)}
    return patient | {"Rx": "Unknown", "Hx": "Unknown", "Sx": "Unknown"}
