"""Short copies of recordings, and seeded faults in them: bytes flipped, cut and spliced, lines dropped and repeated.

A copy is of 2 to 12 s, in MATLAB 4, in MATLAB 5 with and without compression, or in WFDB's formats 16 and 212.
"""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

from heartbeats.ecg.header import find_headers
from heartbeats.simulation import simulate_cohort

LENGTHS = (2, 5, 12)  # s

# What a field of a header line, or a header's whole line, is replaced by.
ODD_TOKENS = (
    *("nan", "-1", "0", "inf", "-inf", "1e308", "1e-320", "99999999999999999999", "2147483648", "65536", "0.5", "١٢"),
    *("../x", "../../etc/passwd", "/dev/zero", "/dev/stdin", ".", "~", "s3://x/y", "x" * 5000, "é", "\x00", "#", ":"),
    *("0/mV", "1e-300/mV", "-1000/mV", "nan(0)/mV", "1000(99999999999999999999)/mV", "1000.0(-5)/uV", "(/", "1000("),
    *("80", "8", "24", "32", "61", "160", "212", "310", "311", "508", "524", "16x4", "16:9", "16x9999999"),
    *("16:9999999999", "999999999", "16+99999", "16x0", "x/3"),
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
