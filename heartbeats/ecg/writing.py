"""Write recordings in the Challenge's format: NAME.mat (MATLAB 4, int16), and NAME.hea in one of two dialects."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io

from heartbeats.common.files import replace_file, write_text
from heartbeats.ecg.recording import Recording, RecordingError

GAIN = 1000  # ADC units per mV, as in every corrected header of the Challenge
LARGEST = 2**15 - 1  # -2**15 is WFDB's "no sample"


def write_record(
    folder: Path,
    recording: Recording,
    *,
    later_dialect: bool = False,
    unit: str = "mV",
    date: str = "",
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write NAME.mat and NAME.hea into an existing folder, rounded to 1000 ADC units per mV.

    Args:
        later_dialect: write the dialect of 2021 instead of 2020.
        unit: how the header spells mV.
        date: the end of the header's first line.
        notes: more comment lines, by key.

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
    leads = [  # WFDB sums checksums in 16 bits
        f"{recording.name}.mat {layout} 16 0 {row[0]} {checksum} 0 {lead}"
        for row, checksum, lead in zip(samples, samples.sum(axis=1, dtype=np.int16), recording.leads, strict=True)
    ]
    age = "NaN" if math.isnan(recording.age) else f"{recording.age:g}"
    patient = {"Age": age, "Sex": recording.sex or "NaN", "Dx": ",".join(recording.diagnoses)}
    comments = patient | {"Rx": "Unknown", "Hx": "Unknown", "Sx": "Unknown"} | dict(notes or {})
    mark = "# " if later_dialect else "#"
    lines = [first, *leads, *(f"{mark}{key}: {value}" for key, value in comments.items())]
    # Write the header last: a killed run leaves no header without a signal.
    save = partial(scipy.io.savemat, mdict={"val": samples}, appendmat=False, format="4")
    replace_file(folder / f"{recording.name}.mat", save)
    write_text(folder / f"{recording.name}.hea", "\n".join(lines) + "\n")
