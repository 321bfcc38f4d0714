"""Draw recordings on millimetre paper, with a model's answer, the reasons, and what moved the networks.

    python -m heartbeats.show RECORD [RECORD ...] [--model MODEL | --no-model] [-o PAGE.html|SHEET.png|SHEET.pdf|FOLDER]

RECORD is a header file, a signal file, their path without suffix, or a folder of recordings with its sub-folders. It
can also be a CSV file, with a column per lead and the names of the leads in the first row, or a NumPy file; both need
--rate, and --unit or --leads if they differ from the default. For other files, python -m heartbeats.convert writes
recordings.

One recording becomes one file, by default NAME.html. Several WFDB recordings, or a folder of them, need -o FOLDER. It
gets a page for each, and index.html. It must be new or empty, or this command wrote it; then its pages are replaced.
PNG and PDF hold only the ECG paper, without the text of the page. The exit status is 1 if nothing can be read or
written, and 2 if the arguments are wrong. Without --model, the model that comes with the package answers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from heartbeats.challenge.diagnoses import NAMES
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.model_folder import PRETRAINED, load_model
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from heartbeats.ecg.array_file import SUFFIXES as ARRAYS
from heartbeats.ecg.array_file import add_options, read_with_options
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.preparation.workers import Failure, attempt
from heartbeats.reports.ecg_page import SUFFIXES, save
from heartbeats.reports.findings import read
from heartbeats.reports.folder import INDEX, write_folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=path_argument, metavar="RECORD", help="recording or folder")
    parser.add_argument("--model", type=path_argument, default=PRETRAINED, help="folder written by train_model.py")
    parser.add_argument("--no-model", dest="model", action="store_const", const=None, help="draw only")
    parser.add_argument("-o", "--out", type=path_argument, help=f"a file ({', '.join(SUFFIXES)}) or a folder")
    add_options(parser)
    options = parser.parse_args(arguments)
    with one_line_errors("heartbeats.show"):
        named = [path for record in options.records for path in _files(record)]
        files = list({path.parent.resolve() / path.name: path for path in named}.values())
        out = options.out or Path(f"{files[0].stem}.html")
        classifier = load_model(options.model, device=torch.device("cpu")) if options.model else None
        if options.out and (out.is_dir() or not out.suffix):
            if any(file.suffix in ARRAYS for file in files):
                parser.error("a folder of pages needs WFDB recordings: use heartbeats.convert for CSV and NumPy files")
            _draw_folder(files, out, options.model)
        elif len(files) > 1 or any(record.is_dir() for record in options.records):
            parser.error("several recordings need a folder: -o FOLDER")
        elif out.suffix.lower() not in SUFFIXES:
            parser.error(f"{out}: the suffix must be one of {', '.join(SUFFIXES)}; create a folder with a dot first")
        else:
            _draw_one(files[0], options, classifier, out)


def _draw_folder(files: Sequence[Path], out: Path, model: Path | None) -> None:
    """Write a page for each recording. Exit if none can be read."""
    drawn, failed = write_folder(files, out, model)
    print_line(f"{out / INDEX} written: {drawn} recordings drawn, {failed} not read")
    if not drawn:
        sys.exit(1)


def _draw_one(file: Path, options: argparse.Namespace, classifier: Classifier | None, out: Path) -> None:
    """Draw a recording, and print its warnings, facts and diagnoses.

    Raises:
        RecordingError: the recording cannot be read.
    """
    reading = attempt(file.stem, lambda: read(_source(file, options), classifier))
    if isinstance(reading, Failure):
        raise RecordingError(f"{reading.name}: not read: {reading.reason}")
    out.parent.mkdir(parents=True, exist_ok=True)
    save(reading, out)
    for warning in reading.answer.warnings if reading.answer else reading.recording.warnings:
        print_line(f"{reading.name}: {warning}")
    for title, fact in reading.facts.items():
        if fact != "none":
            print(f"{title}: {fact}")
    if answer := reading.answer:
        found = (f"{NAMES[code]} ({answer.probabilities[code]:.2f})" for code in answer.positive)
        print("Diagnoses (probability):", ", ".join(found) or "none")
    elif classifier:
        print_line(f"Not classified: {reading.refusal}")
    print_line(f"{out} written")


def _source(file: Path, options: argparse.Namespace) -> Path | Recording:
    """Return a header file, or the recording in a CSV or NumPy file."""
    return read_with_options(file, options) if file.suffix in ARRAYS else file


def _files(record: Path) -> list[Path]:
    """Return the files of recordings that an argument names, at least one."""
    if record.suffix in ARRAYS and record.is_file():
        return [record]
    if record.is_dir():
        found = find_headers(record)
    else:
        ends = (".hea", ".HEA")
        candidates = [record, *(record.with_name(record.name + end) for end in ends), *map(record.with_suffix, ends)]
        found = [path for path in candidates if path.suffix in ends and path.is_file()][:1]
    if not found:
        raise FileNotFoundError(
            f"{record}: no header file (.hea) found; give a header, a recording, a folder, or a .csv or .npy file. "
            "python -m heartbeats.convert reads DICOM, HL7 aECG, GE MUSE XML, EDF and SCP-ECG"
        )
    return found


if __name__ == "__main__":
    main()
