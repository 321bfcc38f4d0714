"""Convert ECG files of hospitals and devices to the Challenge's format.

    python -m heartbeats.convert FILE [FILE ...] OUT [--rate HZ]

OUT is a new or empty folder; it gets NAME.hea and NAME.mat for each file NAME. A file that cannot be converted is named
with the reason. The exit status is 1 if no file could be converted.

A CSV file, with a column per lead and the names of the leads in the first row, or a NumPy file needs --rate, and --unit
or --leads if they differ from the default. Other files are read by ecgdatakit: pip install '.[formats]' in a clone.

Files of these formats were written by hand and checked here, for amplitude, sampling rate, leads and missing samples:
DICOM waveform, HL7 aECG, GE MUSE XML, EDF. Not checked: SCP-ECG, Philips (Sierra) XML, ISHNE, MFER and others that
ecgdatakit reads. Look at the first of your files with `python -m heartbeats.show`.
"""

import argparse
import dataclasses
import math
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import needs_extra, one_line_errors
from heartbeats.common.files import make_empty_folder
from heartbeats.ecg.array_file import SUFFIXES as ARRAYS
from heartbeats.ecg.array_file import add_options, read_with_options
from heartbeats.ecg.calibration import bridge_lead
from heartbeats.ecg.header import STANDARD_LEADS, canonical_lead
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.ecg.writing import write_record
from heartbeats.preparation.workers import Failure, attempt

if TYPE_CHECKING:
    from ecgdatakit import ECGRecord, Lead

SEXES = {"M": "Male", "F": "Female"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert files. Return the exit status."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m heartbeats.convert", description=__doc__, formatter_class=raw)
    parser.add_argument("files", nargs="+", type=path_argument, metavar="FILE")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    add_options(parser)
    options = parser.parse_args(arguments)
    written = 0
    with one_line_errors("heartbeats.convert"):
        if any(file.suffix not in ARRAYS for file in options.files):
            with needs_extra("formats"):
                import ecgdatakit  # noqa: F401, PLC0415
        make_empty_folder(options.out)
        for file in options.files:
            result = attempt(file.name, partial(convert, file, options))
            if isinstance(result, Failure):
                print_line(f"{file}: not converted: {result.reason}")
                continue
            written += 1
            for warning in result.warnings:
                print_line(f"{file}: {warning}")
    print_line(f"{options.out}: {written} recordings written, {len(options.files) - written} not")
    return 0 if written else 1


def convert(file: Path, options: argparse.Namespace) -> Recording:
    """Convert a file to NAME.hea and NAME.mat, and return the recording.

    Raises:
        RecordingError: as :func:`read_hospital_file` or :func:`read_with_options`, or OUT has a recording of its name.
        OSError: the recording cannot be written.
    """
    recording = read_with_options(file, options) if file.suffix in ARRAYS else read_hospital_file(file)
    recording = dataclasses.replace(recording, name="_".join(file.stem.split()))  # a header cannot have spaces there
    if (options.out / f"{recording.name}.hea").exists():
        raise RecordingError("another file has this name: convert it into another folder")
    write_record(options.out, recording)
    return recording


def read_hospital_file(file: Path) -> Recording:
    """Read a file with ecgdatakit.

    Raises:
        RecordingError: the file cannot be read, has no standard leads, or its leads differ in length or sampling rate.
    """
    from ecgdatakit import FileParser  # noqa: PLC0415
    from ecgdatakit.exceptions import ECGDataKitError  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = FileParser.parse(file)
            leads = [lead.to_physical().convert_units("mV") for lead in record.leads if _standard(lead)]
        except (ECGDataKitError, ValueError, OSError) as error:
            raise RecordingError(f"{error or type(error).__name__}") from error
    said = [str(warning.message) for warning in caught]
    if others := [lead.label for lead in record.leads if not _standard(lead)]:
        said.append(f"not converted, no standard leads: {', '.join(others)}")
    return _recording(file.stem, record, leads, said)


def _standard(lead: "Lead") -> bool:
    return canonical_lead(lead.label) in STANDARD_LEADS


def _recording(name: str, record: "ECGRecord", leads: "Sequence[Lead]", said: list[str]) -> Recording:
    """Return leads in mV as a recording, with straight lines across missing samples.

    Raises:
        RecordingError: there are no leads, or they differ in length or sampling rate.
    """
    forms = {(lead.sampling_rate, len(lead.samples)) for lead in leads}
    if len(forms) != 1:
        described = ", ".join(f"{samples} samples at {rate} Hz" for rate, samples in sorted(forms))
        raise RecordingError(f"the standard leads have {described or 'no samples: there are none'}")
    ((rate, _),) = forms
    signal = np.array([lead.samples for lead in leads], dtype=np.float64)
    gaps = ~np.isfinite(signal)
    for row, gap, lead in zip(signal, gaps, leads, strict=True):
        said += bridge_lead(row, gap, lead.label)
    names = tuple(lead.label for lead in leads)
    age = math.nan if record.patient.age is None else float(record.patient.age)
    sex = SEXES.get(record.patient.sex)
    missing = tuple(gaps.sum(axis=1).tolist())
    return Recording(name, signal, float(rate), names, age, sex, (), missing, warnings=tuple(said))


if __name__ == "__main__":
    sys.exit(main())
