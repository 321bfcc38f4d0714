"""Headers, recordings and output files under the function names of the organisers' 2021 helper module.

Both header dialects give the same answers (see :mod:`heartbeats.ecg.header`). ``header`` is the text
from :func:`load_header`.
"""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.outputs import Prediction, is_number, read_output, write_output
from heartbeats.ecg.header import STANDARD_LEADS, canonical_lead, find_headers, parse_header, read_header_text
from heartbeats.ecg.recording import matlab_file, read_samples

PathLike = str | os.PathLike[str]

twelve_leads = STANDARD_LEADS
six_leads = ("I", "II", "III", "aVR", "aVL", "aVF")
four_leads = ("I", "II", "III", "V2")
three_leads = ("I", "II", "V2")
two_leads = ("I", "II")
lead_sets = (twelve_leads, six_leads, four_leads, three_leads, two_leads)


def is_integer(x: object) -> bool:
    """Return whether ``x`` is a number without a fraction; ``"1.0"`` is, ``"1.5"`` and ``"nan"`` are not."""
    return is_finite_number(x) and float(x).is_integer()  # type: ignore[arg-type]


def is_finite_number(x: object) -> bool:
    """Return whether ``x`` is a number, and neither NaN nor infinite."""
    return is_number(x) and math.isfinite(float(x))  # type: ignore[arg-type]


def sort_leads(leads: Iterable[str]) -> tuple[str, ...]:
    """Return lead names in the usual order I to V6, then the others by name."""
    order = {lead: i for i, lead in enumerate(STANDARD_LEADS)}
    return tuple(sorted(leads, key=lambda lead: (order.get(lead, len(order)), lead)))


def find_challenge_files(data_directory: PathLike) -> tuple[list[str], list[str]]:
    """Return the header files below a folder and their .mat files. A header without a .mat file is left out."""
    found = [(path, matlab_file(path)) for path in find_headers(Path(data_directory))]
    return [str(path) for path, file in found if file], [str(file) for _, file in found if file]


def load_header(header_file: PathLike) -> str:
    """Return the text of a header file."""
    return read_header_text(Path(header_file))


def load_recording(
    recording_file: PathLike, header: str | None = None, leads: Sequence[str] | None = None, key: str = "val"
) -> npt.NDArray[np.generic]:
    """Return a recording's samples in ADC units, shape (leads, samples).

    Args:
        recording_file: the .mat file.
        header: needed to choose leads.
        leads: the leads to return, in this order; all by default.
        key: the variable of the .mat file that holds the samples.

    Raises:
        RecordingError: the file is missing, or does not hold such an array.
    """
    samples = read_samples(Path(recording_file).with_suffix(".hea"), variable=key)
    return choose_leads(samples, header, leads) if header is not None and leads is not None else samples


def choose_leads(recording: npt.ArrayLike, header: str, leads: Sequence[str]) -> npt.NDArray[np.generic]:
    """Return the rows of ``leads`` in their order, shape (leads, samples). A missing lead is zeros."""
    available, samples = get_leads(header), np.asarray(recording)
    chosen = np.zeros((len(leads), samples.shape[1]), samples.dtype)
    for row, lead in zip(chosen, map(canonical_lead, leads), strict=True):
        if lead in available:
            row[:] = samples[available.index(lead)]
    return chosen


def get_recording_id(header: str) -> str:
    """Return the record name."""
    return parse_header(header).name


def get_leads(header: str) -> tuple[str, ...]:
    """Return the lead names in the order of the recording's rows; standard leads have their usual spelling."""
    return parse_header(header).leads


def get_age(header: str) -> float:
    """Return the age in years, NaN where unknown."""
    return parse_header(header).age


def get_sex(header: str) -> str | None:
    """Return ``"Male"``, ``"Female"``, or ``None`` where unknown."""
    return parse_header(header).sex


def get_num_leads(header: str) -> int | None:
    """Return the number of leads, ``None`` if the header does not state it."""
    return parse_header(header).lead_count


def get_frequency(header: str) -> float | None:
    """Return the sampling rate in Hz, ``None`` if the header does not state it."""
    return parse_header(header).sampling_rate


def get_num_samples(header: str) -> int | None:
    """Return the number of samples per lead, ``None`` if the header does not state it."""
    return parse_header(header).samples


def get_adc_gains(header: str, leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the stated gains in ADC units per mV, shape (leads,); NaN where the header states none."""
    gains = {signal.lead: signal.gain for signal in parse_header(header).signals}
    return np.array([gains.get(canonical_lead(lead), math.nan) for lead in leads], dtype=np.float64)


def get_baselines(header: str, leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the baselines, the ADC units of 0 mV, shape (leads,); NaN for a lead that the header lacks."""
    baselines = {signal.lead: signal.baseline for signal in parse_header(header).signals}
    return np.array([baselines.get(canonical_lead(lead), math.nan) for lead in leads], dtype=np.float64)


def get_labels(header: str) -> list[str]:
    """Return the Dx entries as written, without repeats and empty ones."""
    return list(parse_header(header).diagnoses)


def save_outputs(
    output_file: PathLike,
    recording_id: str,
    classes: Sequence[str],
    labels: Sequence[int],
    probabilities: Sequence[float],
) -> None:
    """Write an output file atomically."""
    prediction = Prediction(recording_id, tuple(classes), tuple(map(int, labels)), tuple(map(float, probabilities)))
    write_output(Path(output_file), prediction)


def load_outputs(output_file: PathLike) -> tuple[str, tuple[str, ...], tuple[int, ...], tuple[float, ...]]:
    """Read an output file: record name, codes, labels (0 or 1), probabilities.

    Raises:
        OutputError: the file is missing or not in the organisers' form.
    """
    read = read_output(Path(output_file))
    return read.name, read.classes, read.labels, read.probabilities
