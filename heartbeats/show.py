"""Draw recordings on millimetre paper and, with a model, what it answers, why, and where it looked.

    python -m heartbeats.show RECORD [RECORD ...] [--model MODEL] [-o PAGE.html|SHEET.png|SHEET.pdf|FOLDER]

RECORD is a header file, a recording's path without suffix, the signal file beside its header, or a folder of
recordings, sub-folders included. One recording becomes one file, NAME.html unless -o says otherwise; several, or a
folder, need -o FOLDER and become pages there, with index.html; pages of an earlier run that the new index does not name
are removed. What cannot be read gets a page that says why. The exit status is 1 when nothing could be written, 2 when
the arguments are wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from heartbeats.classification.classifier import load
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from heartbeats.common.files import write_text
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import Failure, attempt
from heartbeats.reports import ecg_print
from heartbeats.reports.ecg_page import ecg_page, failure_page, read
from heartbeats.reports.folder import INDEX, write_folder

FILES = (".html", *ecg_print.SUFFIXES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw."""
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.show", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "records", nargs="+", type=path_argument, metavar="RECORD", help="header file, record, or folder"
    )
    parser.add_argument("--model", type=path_argument, help="folder written by train_model.py")
    parser.add_argument(
        "-o", "--out", type=path_argument, help=f"a file ({', '.join(FILES)}), or a folder, as several recordings need"
    )
    options = parser.parse_args(arguments)
    if options.out and options.out.suffix and not _is_file_type(options.out) and not options.out.is_dir():
        types = ", ".join(FILES)
        parser.error(f"{options.out}: a file is one of {types}; a folder of such a name must be made beforehand")
    with one_line_errors("heartbeats.show"):
        named = [path for record in options.records for path in _header_files(record)]
        header_files = list({path.parent.resolve() / path.name: path for path in named}.values())
        out = options.out or Path(f"{header_files[0].stem}.html")
        several = len(header_files) > 1 or any(record.is_dir() for record in options.records)
        if several and (not options.out or _is_file_type(out)):
            parser.error("several recordings need a folder: -o FOLDER")
        if _is_file_type(out):
            _write_file(header_files[0], out, options.model)
            print_line(f"{out} written")
        else:
            if options.model:
                load(options.model, device=torch.device("cpu"))  # told now if it cannot be, and not by each recording
            drawn, failed = write_folder(header_files, out, options.model)
            print_line(f"{out / INDEX} written: {drawn} recordings drawn, {failed} not read")


def _is_file_type(out: Path) -> bool:
    return out.suffix.lower() in FILES


def _header_files(record: Path) -> list[Path]:
    """The header files that an argument names.

    Raises:
        OSError: it names none.
    """
    if record.is_dir():
        if found := find_headers(record):
            return found
        raise FileNotFoundError(f"{record}: no recordings (.hea) in this folder")
    header_file = record if record.suffix == ".hea" else record.with_name(f"{record.name}.hea")
    if not header_file.exists() and record.is_file():  # its signal
        header_file = record.with_suffix(".hea")
    if not header_file.exists():
        raise FileNotFoundError(f"{header_file}: no such header file; name one, a recording or a folder of them")
    return [header_file]


def _write_file(header_file: Path, out: Path, model_directory: Path | None) -> None:
    classifier = load(model_directory, device=torch.device("cpu")) if model_directory else None
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".html":
        page = attempt(header_file.stem, lambda: ecg_page(read(header_file, classifier)))
        if isinstance(page, Failure):
            print_line(f"{page.name}: not read: {page.reason}")
            page = failure_page(page.name, page.reason)
        write_text(out, page)
        return
    reading = attempt(header_file.stem, lambda: read(header_file, classifier))
    if isinstance(reading, Failure):
        print_line(f"{reading.name}: not read: {reading.reason}")
        ecg_print.save_failure(reading.name, reading.reason, out)
    else:
        ecg_print.save(reading, out)


if __name__ == "__main__":
    main()
