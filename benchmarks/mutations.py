"""Give damaged recordings to driver.py: does it crash, hang, write elsewhere or lose one?

    python -m benchmarks.mutations [--data FOLDER] [--mutations 10000] [--seed 0]

FOLDER has challenge, quirks, ludb/data and mitdb. Without it, only simulated recordings are damaged. Each mutation is a
copy of 2 to 12 s of a recording, in MATLAB 4 or 5 or WFDB's formats 16 or 212. It has one to four faults: flipped,
cut or inserted bytes, changed header lines or fields. The driver classifies them with tiny networks. The rules:

- The driver ends within three minutes per folder, counts every recording, and writes only into its output folder.
- Each recording has a well-formed output file. If it is not classified, stderr gives its name and a reason. The reason
  must not be a fault of this program or a dead worker process.
- No process uses more than 1 GiB or asks for more than 4 GiB. The files are small, even if a header says otherwise.

If a rule is broken, the faults are printed, their folders are kept, and the exit status is 1.
"""

import io
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import OutputError, read_output
from heartbeats.classification.ensemble import Classifier, Member
from heartbeats.classification.model_folder import save_model
from heartbeats.common.console import printable
from heartbeats.common.settings import settings_from_dict
from heartbeats.ecg.header import find_headers
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.simulation import simulate_cohort

FOLDER_SIZE = 500
DRIVER = ["timeout", "--signal=KILL", "180", "env", "OMP_NUM_THREADS=1", sys.executable, f"{ROOT}/driver.py"]
TINY = {"network": {"width": 4, "blocks": [1, 1], "reduction": 2}, "training": {"seconds": [4.0, 2.0]}}
# A fault of this program, a dead process, or a reason without content.
BAD_REASON = re.compile(r"unforeseen.*|the networks failed.*|.*ended the process.*|\S*|.*(:|None|\(\)) *")
# These replace a field of a header line.
ODD_FIELDS = (
    *("nan", "-1", "0", "inf", "-inf", "1e308", "1e-320", "99999999999999999999", "2147483648", "65536", "0.5", "١٢"),
    *("../x", "../../etc/passwd", "/dev/zero", "/dev/stdin", ".", "~", "s3://x/y", "x" * 5000, "é", "\x00", "#", ":"),
    *("0/mV", "1e-300/mV", "-1000/mV", "nan(0)/mV", "1000(99999999999999999999)/mV", "1000.0(-5)/uV", "(/", "1000("),
    *("80", "8", "24", "32", "61", "160", "212", "310", "311", "508", "524", "16x4", "16:9", "16x9999999"),
    *("16:9999999999", "999999999", "16+99999", "16x0", "x/3"),
)
# Endings of names. A file name may have all bytes except NUL and the slash.
ODD_NAMES = (" ", "é", ",", "'", "%s", "#", "..", ".hea", "\\", "\t", "\nb", "\rb", "\u2028b", "\udcff", "x" * 240)


@dataclass(frozen=True)
class Copy:
    """A short copy of a recording: its name, the header's text, the signal file's content and suffix."""

    name: str
    header: str
    signal: bytes
    suffix: str

    def header_as(self, name: str) -> bytes:
        """Return the header under another name."""
        return self.header.replace(self.name, name).encode("utf-8", "surrogateescape")


def main() -> None:
    options = arguments(__doc__, data=None, mutations=10_000, seed=0)
    scratch = Path(tempfile.mkdtemp(prefix="heartbeats-mutations-"))
    simulate_cohort(scratch / "simulated", records=40, seed=0)
    real = [options.data / name for name in ("challenge", "quirks", "ludb/data", "mitdb")] if options.data else []
    copies = short_copies([scratch / "simulated", *real], records=80)
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, resource.RLIM_INFINITY))  # the driver and its workers inherit it
    refused, faults = run_campaign(copies, scratch, options.mutations, options.seed)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    faults += [f"a process used {memory} MiB"] if memory > 1024 else []
    print(f"{machine()}: {options.mutations} mutations of {len(copies)} copies, largest process {memory} MiB")
    print(f"refused {refused}, lost {sum(fault.startswith('lost') for fault in faults)}, faults in all {len(faults)}")
    if faults:
        sys.exit("\n".join([*faults[:50], f"the folders are kept in {scratch}"]))
    shutil.rmtree(scratch)


def run_campaign(copies: Sequence[Copy], scratch: Path, mutations: int, seed: int) -> tuple[int, list[str]]:
    """Let the driver classify damaged copies. Return how many it refuses, and the faults. Keep folders with faults."""
    refused, faults = 0, list[str]()
    for start in range(0, mutations, FOLDER_SIZE):
        folder = scratch / f"mutations{start}"
        (folder / "data").mkdir(parents=True)
        for number in range(start, min(start + FOLDER_SIZE, mutations)):
            rng = np.random.default_rng([seed, number])
            copy = copies[int(rng.integers(len(copies)))]
            name, header, signal = damage(copy, copies, rng, number)
            (folder / f"data/{name}.hea").write_bytes(header)
            if rng.random() > 0.01:
                (folder / f"data/{name}{copy.suffix}").write_bytes(signal)
        number_refused, found = check_driver(folder)
        refused, faults = refused + number_refused, faults + found
        if not found:
            shutil.rmtree(folder)
    return refused, faults


def check_driver(folder: Path) -> tuple[int, list[str]]:
    """Let the driver classify ``folder/data``. Return how many recordings it refuses, and the faults."""
    settings = settings_from_dict(TINY)
    members = tuple(Member(seconds, SEResNet(settings.network)) for seconds in settings.training.seconds)
    save_model(Classifier(members, 0.5, settings), folder / "model", {})
    names, before = [path.stem for path in find_headers(folder / "data")], snapshot(folder)
    done = subprocess.run([*DRIVER, "model", "data", "outputs"], cwd=folder, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    reasons = dict(re.findall(r"^(.*?): not classified: (.*)$", said, re.MULTILINE))
    faults = [fault_of(name, folder / f"outputs/{name}.csv", reasons.get(printable(name))) for name in names]
    if f"\n{len(names) - len(reasons)} recordings classified, {len(reasons)} not\n" not in f"\n{said}":
        faults.append(f"{folder}: status {done.returncode}, and {len(names)} recordings are not counted: {said[-500:]}")
    if changed := sorted(path for path, *_ in before ^ snapshot(folder)):
        faults.append(f"{folder}: changed outside the output folder: {changed[:5]}")
    return len(reasons), [fault for fault in faults if fault]


def fault_of(name: str, output_file: Path, reason: str | None) -> str:
    """Return what is wrong with a recording's output file and reason, or an empty string."""
    try:
        output = read_output(output_file)
    except OutputError as error:
        return f"lost: {name!r}: {error}"
    probabilities = np.array(output.probabilities)
    if output.name.split() != name.split() or output.classes != CLASSES:
        return f"lost: {name!r}: the output file is of {output.name!r} with {len(output.classes)} classes"
    if reason is None:
        return "" if ((probabilities >= 0) & (probabilities <= 1)).all() else f"{name!r}: not classified, no reason"
    return f"{name!r}: {reason}" if BAD_REASON.fullmatch(reason) or not np.isnan(probabilities).all() else ""


def snapshot(folder: Path) -> set[tuple[str, int, int]]:
    """Return path, size and time of each file next to and below a folder, without its outputs."""
    files = [path for path in folder.parent.rglob("*") if path.is_file() and path.parent != folder / "outputs"]
    return {(ascii(str(path)), path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def short_copies(folders: Sequence[Path], *, records: int) -> list[Copy]:
    """Return short copies of at most ``records`` recordings of each folder."""
    chosen = [path for files in map(find_headers, folders) for path in files[:: 1 + len(files) // records]]
    return [copy for i, path in enumerate(chosen) for copy in _copies(path, (2, 5, 12)[i % 3])]


def _copies(header_file: Path, seconds: int) -> list[Copy]:
    """Return one short copy of a recording, or one in each of MATLAB's formats."""
    name, lines = header_file.stem, header_file.read_text(encoding="utf-8").splitlines()
    _, leads, rate, length, *_ = lines[0].split()
    samples = min(int(length), round(seconds * float(rate.split("/")[0])))
    header = "\n".join([f"{name} {leads} {rate} {samples}", *lines[1:], ""])
    if (signal_file := header_file.with_suffix(".dat")).is_file():
        bits = 12 if lines[1].split()[1] == "212" else 16
        return [Copy(name, header, signal_file.read_bytes()[: samples * int(leads) * bits // 8], ".dat")]
    value = scipy.io.loadmat(header_file.with_suffix(".mat"))["val"][:, :samples]
    copies = []
    for form, compressed in (("4", False), ("5", False), ("5", True)):
        scipy.io.savemat(content := io.BytesIO(), {"val": value}, format=form, do_compression=compressed)
        copies.append(Copy(name, header, content.getvalue(), ".mat"))
    return copies


def damage(copy: Copy, others: Sequence[Copy], rng: np.random.Generator, number: int) -> tuple[str, bytes, bytes]:
    """Return a name, a header and a signal with one to four faults. The name keeps the letters of its source."""
    name = re.sub("[^A-Z].*", "", copy.name) + f"{number:06d}"
    if rng.random() < 0.02:
        name += rng.choice(ODD_NAMES)
    header, signal = copy.header_as(name), copy.signal
    other = others[int(rng.integers(len(others)))]
    kind = rng.random()
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if kind < 0.45:
            header = _damage_line(header, other.header_as(name), rng)
        elif kind < 0.6:
            header = _damage_bytes(header, other.header_as(name), rng)
        else:
            end = 200 if kind < 0.8 else len(signal)  # the first bytes tell what the file is
            signal = _damage_bytes(signal[:end], other.signal, rng) + signal[end:]
    if signal[124:128] == b"\x00\x01IM" and rng.random() < 0.3:  # MATLAB 5: the damaged part, compressed
        packed = zlib.compress(signal[128:])
        signal = signal[:128] + np.array([15, len(packed)], "<u4").tobytes() + packed
    return name, header, signal


def _damage_bytes(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Flip a bit, cut the end, remove a stretch, overwrite it with zeros, ones or other bytes, or insert bytes."""
    start, end = _stretch(content, rng)
    before, stretch, after = content[:start], content[start:end], content[end:]
    others = other[slice(*_stretch(other, rng))]
    flipped = bytes(byte ^ 1 << int(rng.integers(8)) for byte in stretch[:1]) + stretch[1:]
    blank = (b"\x00", b"\xff")[rng.integers(2)] * len(stretch)
    made = (flipped + after, b"", after, blank + after, others + after, others + stretch + after)
    return before + made[rng.integers(6)]


def _stretch(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Return the start and end of a stretch, mostly a short one."""
    start = int(rng.integers(len(content) + 1))
    return start, min(len(content), start + int(2 ** rng.uniform(0, 12)))


def _damage_line(header: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Drop or repeat a line, replace it by a line of another header, or replace one of its fields by an odd one."""
    lines, others = header.split(b"\n"), other.split(b"\n")
    i = int(rng.integers(len(lines))) if rng.random() < 0.5 else 0
    fields = lines[i].split(b" ")
    fields[rng.integers(len(fields))] = ODD_FIELDS[rng.integers(len(ODD_FIELDS))].encode()
    repeated = [lines[i]] * int(rng.choice((0, 2, 20)))
    another = [others[rng.integers(len(others))]]
    lines[i : i + 1] = (repeated, another, *([b" ".join(fields)],) * 4)[rng.integers(6)]
    return b"\n".join(lines)


if __name__ == "__main__":
    main()
