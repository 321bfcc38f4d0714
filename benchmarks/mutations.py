#!/usr/bin/env python
"""Damaged recordings through reading, preparation and the driver: does anything break, hang or get lost?

    python benchmarks/mutations.py [DATA] [--mutations 10000] [--seed 0]

DATA holds challenge, quirks, ludb/data and mitdb; without it only simulated recordings are damaged. Each mutation is a
copy, of 2 to 12 s, of one recording in MATLAB 4, in MATLAB 5 with and without compression, or in WFDB's formats 16 and
212, with one to four faults in its header, its signal file or its name. Folders of them are read and prepared, then
classified by the driver with tiny networks. The same seed and data give the same mutations.

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
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.io
import torch
from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor

from heartbeats.classifier import Classifier, Member
from heartbeats.diagnoses import CLASSES
from heartbeats.entry import classify_folder
from heartbeats.outputs import OutputError, read_output
from heartbeats.prepared import Failure, Prepared, prepare_file
from heartbeats.read_ahead import read_ahead
from heartbeats.recording import find_headers
from heartbeats.se_resnet import SEResNet
from heartbeats.settings import settings_from_dict
from heartbeats.simulation import simulate_cohort

FOLDER_SIZE = 400
FOLDER_SECONDS = 180  # a folder of 400 takes some 10 s; one that takes this long hangs
WORKER_ADDRESSES = 4 * 2**30  # bytes
WORKER_MEMORY = 2**30  # bytes
LENGTHS = (2, 5, 12)  # s

# What a field of a header line, or a header's whole line, is replaced by.
ODD_TOKENS = (
    *("nan", "-1", "0", "inf", "-inf", "1e308", "1e-320", "99999999999999999999", "2147483648", "65536", "0.5", "١٢"),
    *("../x", "../../etc/passwd", "/dev/zero", "/dev/stdin", ".", "~", "s3://x/y", "x" * 5000, "é", "\x00", "#", ":"),
    *("0/mV", "1e-300/mV", "-1000/mV", "nan(0)/mV", "1000(99999999999999999999)/mV", "1000.0(-5)/uV", "(/", "1000("),
    *(
        "80",
        "8",
        "24",
        "32",
        "61",
        "160",
        "212",
        "310",
        "311",
        "508",
        "524",
        "16x4",
        "16:9",
        "16x9999999",
        "16:9999999999",
        "999999999",
        "16+99999",
        "16x0",
        "x/3",
    ),
)
# What a header file's name ends in; a name may be any bytes but NUL and the slash.
ODD_NAMES = (" ", "é", ",", "'", "%s", "#", "..", ".hea", "\\", "\t", "\nb", "\rb", "\u2028b", "\udcff", "x" * 240)


@dataclass(frozen=True)
class Seed:
    """A whole recording: its header's text, its signal file's content and that file's suffix."""

    stem: str
    header: str
    signal: bytes
    suffix: str

    def named(self, name: str) -> bytes:
        """The header, of this name instead."""
        return self.header.replace(self.stem, name).encode("utf-8", "surrogateescape")


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


def simulated_seeds(folder: Path, *, records: int) -> list[Seed]:
    """Copies of simulated recordings; ``folder`` is written."""
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
        simulate_cohort(folder, records=records, seed=0)
    return [seed for i, path in enumerate(find_headers(folder)) for seed in copies(path, i)]


def real_seeds(data: Path, *, records: int) -> list[Seed]:
    """Copies of real recordings, some of each folder."""
    quirks, mitdb = find_headers(data / "quirks"), find_headers(data / "mitdb")[::5]
    others = find_headers(data / "challenge") + find_headers(data / "ludb/data")
    chosen = quirks + mitdb + others[:: max(1, len(others) // records)]
    return [seed for i, path in enumerate(chosen) for seed in copies(path, i)]


def copies(header_file: Path, number: int) -> list[Seed]:
    """One short copy of a recording, of .mat one in each form that MATLAB writes."""
    lines = header_file.read_text(encoding="utf-8").splitlines()
    _, leads, rate, length, *_ = lines[0].split()
    samples = min(int(length), round(LENGTHS[number % len(LENGTHS)] * float(rate.split("/")[0])))
    lines[0] = f"{header_file.stem} {leads} {rate} {samples}"
    header = "\n".join(lines) + "\n"
    if not (matlab_file := header_file.with_suffix(".mat")).is_file():
        bits = 12 if lines[1].split()[1] == "212" else 16
        with header_file.with_suffix(".dat").open("rb") as file:
            return [Seed(header_file.stem, header, file.read(samples * int(leads) * bits // 8), ".dat")]
    value = scipy.io.loadmat(matlab_file)["val"][:, :samples]
    seeds = []
    for form, compressed in (("4", False), ("5", False), ("5", True)):
        content = io.BytesIO()
        scipy.io.savemat(content, {"val": value}, format=form, do_compression=compressed)
        seeds.append(Seed(header_file.stem, header, content.getvalue(), ".mat"))
    return seeds


def mutate(
    seed: Seed, others: Sequence[Seed], rng: np.random.Generator, number: int, *, odd_names: float = 0.0
) -> tuple[str, bytes, bytes]:
    """The name, header and signal of a damaged copy; the name's letters, which tell the source, are the original's.

    ``odd_names`` is the share of names that end oddly.
    """
    letters = re.match("[A-Z]*", seed.stem)
    name = f"{letters[0] if letters else ''}{number:06d}"
    if rng.random() < odd_names:
        name += ODD_NAMES[rng.integers(len(ODD_NAMES))]
    header, content = seed.named(name), seed.signal
    other = others[int(rng.integers(len(others)))]
    faults_of_header = rng.random() < 0.6
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if faults_of_header:
            fault = HEADER_FAULTS[rng.integers(len(HEADER_FAULTS))]
            header = fault(header, other.named(name), rng)
        else:
            fault = BYTE_FAULTS[rng.integers(len(BYTE_FAULTS))]
            content = (
                _at_the_start(fault, content, other.signal, rng)
                if rng.random() < 0.5
                else fault(content, other.signal, rng)
            )
    if content[124:128] == b"\x00\x01IM" and rng.random() < 0.3:  # damaged first, then compressed
        packed = zlib.compress(content[128:])
        content = content[:128] + np.array([15, len(packed)], "<u4").tobytes() + packed
    return name, header, content


def _span(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Start and end of a stretch, mostly a short one."""
    start = int(rng.integers(len(content) + 1))
    return start, min(len(content), start + int(2 ** rng.uniform(0, 12)))


def _flip(content: bytes, _other: bytes, rng: np.random.Generator) -> bytes:
    flipped = bytearray(content)
    for position in rng.integers(max(1, len(content)), size=rng.integers(1, 5)) if content else ():
        flipped[position] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _cut_out(content: bytes, _other: bytes, rng: np.random.Generator) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _cut_short(content: bytes, _other: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, end = _span(content, rng)
    first, last = _span(other, rng)
    return content[:start] + other[first:last] + content[end if rng.random() < 0.5 else start :]


def _overwrite(content: bytes, _other: bytes, rng: np.random.Generator) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + (b"\x00", b"\xff")[rng.integers(2)] * (end - start) + content[end:]


def _lines(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A line dropped, repeated, swapped with another, or put in from another header."""
    lines, others = content.split(b"\n"), other.split(b"\n")
    i, k = rng.integers(len(lines), size=2)
    match rng.integers(4):
        case 0:
            del lines[i]
        case 1:
            lines[i:i] = [lines[i]] * int(rng.integers(1, 20))
        case 2:
            lines[i], lines[k] = lines[k], lines[i]
        case _:
            lines[i] = others[rng.integers(len(others))]
    return b"\n".join(lines)


def _token(content: bytes, _other: bytes, rng: np.random.Generator) -> bytes:
    """A field of a line, half the time the first line, replaced by an odd one."""
    lines = content.split(b"\n")
    i = 0 if rng.random() < 0.5 else rng.integers(len(lines))
    fields = lines[i].split(b" ")
    fields[rng.integers(len(fields))] = ODD_TOKENS[rng.integers(len(ODD_TOKENS))].encode()
    lines[i] = b" ".join(fields)
    return b"\n".join(lines)


Fault = Callable[[bytes, bytes, np.random.Generator], bytes]
BYTE_FAULTS: tuple[Fault, ...] = (_flip, _flip, _cut_out, _cut_short, _splice, _overwrite)
HEADER_FAULTS: tuple[Fault, ...] = (*BYTE_FAULTS, *(_lines,) * 4, *(_token,) * 8)


def _at_the_start(fault: Fault, content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A fault in the first bytes, where a file says what it is."""
    return fault(content[:200], other, rng) + content[200:]


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
    items: list[Prepared | Failure] = []
    said, finished = io.StringIO(), False
    counts = (0, 0)
    try:
        with time_limit(seconds):
            for item in read_ahead(header_files, prepare=prepare_and_watch):
                items.append(item)  # noqa: PERF402 - what came before a hang is wanted
        with time_limit(seconds), contextlib.redirect_stderr(said):
            counts = classify_folder(classifier, folder / "data", folder / "outputs")
        finished = True
    except HangError:
        culprit = header_files[len(items)].name if len(items) < len(header_files) else "some recording, in the driver"
        report.broken.append(f"hang: nothing after {seconds} s of {culprit!r}")
        report.keep(header_files)
        get_reusable_executor(max_workers=cpu_count()).shutdown(kill_workers=True)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        report.broken.append(f"exception out of the driver: {error!r} ({where.filename}:{where.lineno})")
    if sum(counts) != len(header_files):
        report.broken.append(f"{len(header_files)} header files, but the driver counts {counts[0]} and {counts[1]}")
    if (after := snapshot(folder)) != before:
        changed = sorted({path for path, *_ in before ^ after})
        report.broken.append(f"changed outside the output folder: {changed[:5]}")
    for header_file, item in zip(header_files, items, strict=False):
        _check_recording(header_file, item, folder / "outputs", said.getvalue() if finished else None, report)
    report.classified += counts[0]


def _check_recording(
    header_file: Path, item: Prepared | Failure, outputs: Path, said: str | None, report: Report
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
        elif said is not None and f"{name}: not classified: {reason}" not in said:
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


def prepare_and_watch(header_file: Path) -> Prepared | Failure:
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
