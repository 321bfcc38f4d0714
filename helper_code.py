"""Headers, recordings and output files under the function names of the organisers' 2021 helper module.

Written from the meaning of those functions, on top of :mod:`heartbeats.ecg.header`, so that either header dialect gives the
same answers. Headers are texts as :func:`load_header` returns them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.outputs import Diagnosis, read_output, write_output
from heartbeats.ecg.header import STANDARD_LEADS, canonical_lead, find_headers, parse_header, read_header_text
from heartbeats.ecg.recording import read_samples

PathLike = str | os.PathLike[str]

twelve_leads = STANDARD_LEADS
six_leads = ("I", "II", "III", "aVR", "aVL", "aVF")
four_leads = ("I", "II", "III", "V2")
three_leads = ("I", "II", "V2")
two_leads = ("I", "II")
lead_sets = (twelve_leads, six_leads, four_leads, three_leads, two_leads)


def is_number(x: object) -> bool:
    """Whether ``float`` takes ``x`` (NaN and infinity included)."""
    try:
        float(x)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def is_integer(x: object) -> bool:
    """Whether ``x`` is a number without a fraction; ``"1.0"`` is, ``"1.5"`` and ``"nan"`` are not."""
    return is_finite_number(x) and float(x).is_integer()  # type: ignore[arg-type]


def is_finite_number(x: object) -> bool:
    """Whether ``x`` is a number, and neither NaN nor infinite."""
    return is_number(x) and math.isfinite(float(x))  # type: ignore[arg-type]


def sort_leads(leads: Iterable[str]) -> tuple[str, ...]:
    """Lead names in the customary order I to V6; others follow, sorted by name."""
    order = {lead: i for i, lead in enumerate(STANDARD_LEADS)}
    return tuple(sorted(leads, key=lambda lead: (order.get(lead, len(order)), lead)))


def find_challenge_files(data_directory: PathLike) -> tuple[list[str], list[str]]:
    """Header files below a folder, sub-folders included, and their .mat files; a header without one is left out."""
    pairs = [(path, path.with_suffix(".mat")) for path in find_headers(Path(data_directory))]
    found = [(str(header), str(recording)) for header, recording in pairs if recording.is_file()]
    return [header for header, _ in found], [recording for _, recording in found]


def load_header(header_file: PathLike) -> str:
    """The text of a header file."""
    return read_header_text(Path(header_file))


def load_recording(
    recording_file: PathLike, header: str | None = None, leads: Sequence[str] | None = None, key: str = "val"
) -> npt.NDArray[np.generic]:
    """A recording's samples in ADC units, shape (leads, samples); only ``leads``, in their order, where given.

    Args:
        key: the variable of a .mat file that holds the samples.

    Raises:
        RecordingError: the file is missing, or does not hold such an array.
    """
    samples = read_samples(Path(recording_file).with_suffix(".hea"), variable=key)
    return choose_leads(samples, header, leads) if header is not None and leads is not None else samples


def choose_leads(recording: npt.ArrayLike, header: str, leads: Sequence[str]) -> npt.NDArray[np.generic]:
    """The rows of ``leads``, in their order, shape (leads, samples); zeros for a lead that the recording lacks."""
    available, samples = get_leads(header), np.asarray(recording)
    chosen = np.zeros((len(leads), samples.shape[1]), samples.dtype)
    for row, lead in zip(chosen, map(canonical_lead, leads), strict=True):
        if lead in available:
            row[:] = samples[available.index(lead)]
    return chosen


def get_recording_id(header: str) -> str:
    """The record name."""
    return parse_header(header).name


def get_leads(header: str) -> tuple[str, ...]:
    """Lead names in the order of the recording's rows, the twelve standard ones in their usual spelling."""
    return parse_header(header).leads


def get_age(header: str) -> float:
    """Age in years, NaN where unknown."""
    return parse_header(header).age


def get_sex(header: str) -> str | None:
    """``"Male"``, ``"Female"``, or ``None`` where unknown."""
    return parse_header(header).sex


def get_num_leads(header: str) -> int | None:
    """The number of leads, ``None`` where the header does not say."""
    return parse_header(header).lead_count


def get_frequency(header: str) -> float | None:
    """The sampling rate in Hz, ``None`` where the header does not say."""
    return parse_header(header).sampling_rate


def get_num_samples(header: str) -> int | None:
    """The number of samples per lead, ``None`` where the header does not say."""
    return parse_header(header).samples


def get_adc_gains(header: str, leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """Gains as stated, ADC units per mV, shape (leads,); NaN for a lead that the header lacks, or without a number."""
    gains = {signal.lead: signal.gain for signal in parse_header(header).signals}
    return np.array([gains.get(canonical_lead(lead), math.nan) for lead in leads], dtype=np.float64)


def get_baselines(header: str, leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """Baselines, the ADC units of 0 mV, shape (leads,); NaN for a lead that the header lacks."""
    baselines = {signal.lead: signal.baseline for signal in parse_header(header).signals}
    return np.array([baselines.get(canonical_lead(lead), math.nan) for lead in leads], dtype=np.float64)


def get_labels(header: str) -> list[str]:
    """The Dx entries as written, without repeats and empty ones."""
    return list(parse_header(header).diagnoses)


def save_outputs(
    output_file: PathLike,
    recording_id: str,
    classes: Sequence[str],
    labels: Sequence[int],
    probabilities: Sequence[float],
) -> None:
    """Write an output file, whole or not at all."""
    diagnosis = Diagnosis(recording_id, tuple(classes), tuple(map(int, labels)), tuple(map(float, probabilities)))
    write_output(Path(output_file), diagnosis)


def load_outputs(output_file: PathLike) -> tuple[str, tuple[str, ...], tuple[int, ...], tuple[float, ...]]:
    """Read an output file: record name, codes, labels (0 or 1), probabilities.

    Raises:
        OutputError: the file is missing or not in the organisers' form.
    """
    diagnosis = read_output(Path(output_file))
    return diagnosis.name, diagnosis.classes, diagnosis.labels, diagnosis.probabilities
