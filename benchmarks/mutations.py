"""Damaged recordings through reading, preparation and the driver: does anything break, hang or get lost?

    python -m benchmarks.mutations [DATA] [--mutations 10000] [--seed 0]

DATA holds challenge, quirks, ludb/data and mitdb; without it only simulated recordings are damaged. Each mutation is a
short copy of one recording with one to four faults in its header, its signal file or its name (benchmarks/damage.py).
Folders of them are read and prepared, then classified by the driver with tiny networks. The same seed and data give the
same mutations.

Asked of every folder: the driver ends, within a stated time, without an exception; it counts every header file; each
has a well-formed output file with the right classes; every failure has a reason and is named on stderr; and nothing is
changed outside the output folder. Of every recording: neither an ``unforeseen`` failure (a fault of this program), nor
a process that ended. Where anything of this is not so, it is printed, the files are kept, and the exit status is 1.
Python's warnings are printed too. A worker may have 4 GiB of addresses, to spare the machine, and using 1 GiB is a
fault: the files are of some 100 kB, and a header that announces more than is there must not be believed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import platform
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor

from benchmarks.damage import Seed, mutate, real_seeds, simulated_seeds
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import OutputError, read_output
from heartbeats.classification.ensemble import Classifier, Member
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.common.console import printable
from heartbeats.common.settings import settings_from_dict
from heartbeats.ecg.header import find_headers
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import PreparedRecording, prepare_file
from heartbeats.preparation.prepared import Failure, map_recordings

FOLDER_SIZE = 400
FOLDER_SECONDS = 180  # a folder of 400 takes some 10 s; one that takes this long hangs
WORKER_ADDRESSES = 4 * 2**30  # bytes
WORKER_MEMORY = 2**30  # bytes


@dataclass
class Report:
    """What a campaign found."""

    mutations: int = 0
    classified: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    unforeseen: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # invariants of a whole folder, or of a failure's text
    warnings: Counter[str] = field(default_factory=Counter)
    kept: Path | None = None

    @property
    def faults(self) -> list[str]:
        """All that must not be."""
        return self.broken + self.unforeseen + self.ended + self.lost

    def keep(self, files: Sequence[Path]) -> None:
        """Copy files to a folder for study."""
        if self.kept is None:
            self.kept = Path(tempfile.mkdtemp(prefix="heartbeats-mutations-"))
        for path in files:
            shutil.copy2(path, self.kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {cpu_count()} CPUs, Python {platform.python_version()}, torch {torch.__version__}")
    torch.set_num_threads(1)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        seeds = simulated_seeds(Path(scratch, "simulated"), records=40)
        if arguments.data is not None:
            seeds += real_seeds(arguments.data, records=160)
        report = run_campaign(seeds, Path(scratch), mutations=arguments.mutations, seed=arguments.seed)
    print_report(report, seeds, time.monotonic() - started)
    return 1 if report.faults else 0


def print_report(report: Report, seeds: Sequence[Seed], seconds: float) -> None:
    print(f"{report.mutations} mutations of {len(seeds)} copies of recordings in {seconds:.0f} s")
    print(f"classified {report.classified}, refused {sum(report.refused.values())}:")
    for reason, count in report.refused.most_common(25):
        print(f"    {count:5} {reason}")
    if rest := report.refused.most_common()[25:]:
        print(f"    {sum(count for _, count in rest):5} for {len(rest)} other reasons")
    for warning, count in report.warnings.most_common(20):
        print(f"{count} recordings warn: {warning}")
    print(f"records lost {len(report.lost)}, unforeseen {len(report.unforeseen)}, processes ended {len(report.ended)}")
    print(f"other invariants broken {len(report.broken)}")
    for fault in report.faults[:50]:
        print(f"    {fault}")
    if report.kept is not None:
        print(f"their files are kept in {report.kept}")


def run_campaign(
    seeds: Sequence[Seed], scratch: Path, *, mutations: int, seed: int, folder_seconds: int = FOLDER_SECONDS
) -> Report:
    """Write ``mutations`` damaged recordings below ``scratch``, folder by folder, and see what becomes of them."""
    report, classifier = Report(), tiny_classifier()
    for start in range(0, mutations, FOLDER_SIZE):
        folder = scratch / f"mutations{start}"
        (folder / "data").mkdir(parents=True)
        odd_names = 0.1 if start // FOLDER_SIZE % 5 == 4 else 0.0  # one that breaks the driver hides what else is there
        for number in range(start, min(start + FOLDER_SIZE, mutations)):
            rng = np.random.default_rng([seed, number])
            original = seeds[int(rng.integers(len(seeds)))]
            name, header, content = mutate(original, seeds, rng, number, odd_names=odd_names)
            (folder / "data" / f"{name}.hea").write_bytes(header)
            if rng.random() > 0.01:
                (folder / "data" / f"{name}{original.suffix}").write_bytes(content)
        check_folder(folder, classifier, report, seconds=folder_seconds)
        shutil.rmtree(folder)
    return report


def tiny_classifier() -> Classifier:
    """Networks with weights by chance: what they answer does not matter here, that they do does."""
    torch.manual_seed(0)
    settings = settings_from_dict(
        {"network": {"width": 4, "blocks": [1, 1], "reduction": 2}, "training": {"seconds": [4.0, 2.0]}}
    )
    members = tuple(Member(seconds, SEResNet(settings.network)) for seconds in settings.training.seconds)
    return Classifier(members, 0.5, settings)


def check_folder(folder: Path, classifier: Classifier, report: Report, *, seconds: int = FOLDER_SECONDS) -> None:
    """Read, prepare and classify ``folder/data`` into ``folder/outputs``, and add what is found to the report."""
    header_files = find_headers(folder / "data")
    before = snapshot(folder)
    report.mutations += len(header_files)
    items: list[PreparedRecording | Failure] = []
    said, finished = io.StringIO(), False
    outcome = Outcome(0, 0, 0)
    try:
        with time_limit(seconds):
            for item in map_recordings(prepare_and_watch, header_files):
                items.append(item)  # noqa: PERF402 - what came before a hang is wanted
        with time_limit(seconds), contextlib.redirect_stderr(said):
            outcome = classify_folder(classifier, folder / "data", folder / "outputs")
        finished = True
    except HangError:
        culprit = header_files[len(items)].name if len(items) < len(header_files) else "some recording, in the driver"
        report.broken.append(f"hang: nothing after {seconds} s of {culprit!r}")
        report.keep(header_files)
        get_reusable_executor(max_workers=cpu_count()).shutdown(kill_workers=True)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        report.broken.append(f"exception out of the driver: {error!r} ({where.filename}:{where.lineno})")
    if outcome.classified + outcome.failed != len(header_files):
        report.broken.append(f"{len(header_files)} header files, but the driver counts {outcome}")
    if (after := snapshot(folder)) != before:
        changed = sorted({path for path, *_ in before ^ after})
        report.broken.append(f"changed outside the output folder: {changed[:5]}")
    for header_file, item in zip(header_files, items, strict=False):
        _check_recording(header_file, item, folder / "outputs", said.getvalue() if finished else None, report)
    report.classified += outcome.classified


def _check_recording(
    header_file: Path, item: PreparedRecording | Failure, outputs: Path, said: str | None, report: Report
) -> None:
    """``said`` is what the driver wrote to stderr, ``None`` if it did not finish."""
    name = header_file.stem
    found = len(report.faults)
    if isinstance(item, Failure):
        reason, _, warned = item.reason.partition(WARNED)
        report.warnings.update(warned.split(WARNED) if warned else ())
        report.refused[kind(reason, name)] += 1
        if reason.startswith("unforeseen"):
            report.unforeseen.append(f"{name!r}: {reason}")
        elif "ended the process" in reason:
            report.ended.append(f"{name!r}: {reason}")
        elif len(reason.split()) < 2 or reason.rstrip().endswith((":", "None", "()")):
            report.broken.append(f"{name!r}: a reason that names nothing: {reason!r}")
        elif said is not None and printable(f"{name}: not classified: {reason}") not in said:
            report.broken.append(f"{name!r}: not named on stderr with its reason, {reason}")
    else:
        report.warnings.update(w.removeprefix(WARNED) for w in item.warnings if w.startswith(WARNED))
    try:
        output = read_output(outputs / f"{name}.csv")
    except OutputError as error:
        report.lost.append(f"{name!r}: {error}")
    else:
        unclassified = bool(np.isnan(output.probabilities).all())
        probable = [0 <= probability <= 1 for probability in output.probabilities]
        if output.name.split() != name.split() or output.classes != CLASSES:
            report.lost.append(f"{name!r}: the output file is of {output.name!r} with {len(output.classes)} classes")
        elif unclassified != isinstance(item, Failure) or not (unclassified or all(probable)):
            report.broken.append(f"{name!r}: outputs do not agree with what reading gave: {item}")
    if len(report.faults) > found:
        report.keep(sorted(path for path in header_file.parent.iterdir() if path.stem == name))


WARNED = "\nPython warns: "


def prepare_and_watch(header_file: Path) -> PreparedRecording | Failure:
    """As the driver prepares; Python's warnings are added to the recording's, or to the reason of its failure."""
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_ADDRESSES, resource.RLIM_INFINITY))
    earlier = peak_memory()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "The inplace keyword in DataFrame")  # wfdb 4.3.1 under pandas 3.1, on import
        item = prepare_file(header_file)
    if (peak := peak_memory()) > max(earlier, WORKER_MEMORY):
        return Failure(item.name, f"unforeseen memory, {peak} bytes: {item}")
    if not caught:
        return item
    said = {f"{WARNED}{w.category.__name__}: {w.message} ({w.filename}:{w.lineno})" for w in caught}
    if isinstance(item, Failure):
        return Failure(item.name, item.reason + "".join(sorted(said)))
    return dataclasses.replace(item, warnings=(*item.warnings, *sorted(said)))


def peak_memory() -> int:
    """The most memory that this process has used, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class HangError(Exception):
    """The time is over."""


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise :class:`HangError` in this, the main, thread after so many seconds."""

    def over(_number: int, _frame: object) -> None:
        raise HangError

    earlier = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def snapshot(folder: Path) -> set[tuple[str, int, int]]:
    """Name, size and time of change of all in a folder and beside it, but for the output folder's content.

    Of what lies beside it, and of the folders themselves, the name only: the output folder is made in one of them.
    """
    found = {(os.fsencode(path).decode("latin-1"), 0, 0) for path in folder.parent.iterdir()}
    for place, folders, names in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name != "outputs"]
        for path in (Path(place, name) for name in names):
            status = path.stat()
            found.add((os.fsencode(path).decode("latin-1"), status.st_size, status.st_mtime_ns))
    return found


def kind(reason: str, name: str) -> str:
    """A reason without what is this recording's own: names and numbers."""
    general = re.sub(r"[-+]?\d[\d.e+-]*", "N", reason.replace(name, "NAME"))
    general = re.sub(r"'[^']*'|among .*", "...", general)
    return " ".join("".join(c if c.isprintable() else "?" for c in general).split())[:90]


if __name__ == "__main__":
    sys.exit(main())
