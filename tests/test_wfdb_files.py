"""Random WFDB records of every signal format are read as they were written, and as ``wfdb`` reads them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import wfdb
from conftest import TWELVE, ecg

from heartbeats.ecg.recording import read_recording

# The bits of a sample, by signal format.
BITS = {
    "8": 16, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12, "310": 10, "311": 10,
    "508": 8, "516": 16, "524": 24,
}  # fmt: skip
FRAMES = 600


@dataclass(frozen=True)
class Lead:
    """One signal: its header fields, and its samples as they lie in the file."""

    name: str
    file: str
    fmt: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    adc: np.ndarray

    def line(self) -> str:
        layout = f"{self.fmt}x{self.per_frame}:{self.skew}+{self.offset}"
        gain = self.gain * (1e-3 if self.unit == "uV" else 1)
        return f"{self.file} {layout} {gain!r}({self.baseline})/{self.unit} 16 0 {self.adc[0]} 0 0 {self.name}"

    def millivolts(self) -> np.ndarray:
        """The signal in mV without skew; NaN where a sample is missing."""
        none = np.nan if self.fmt == "8" else -(2 ** (BITS[self.fmt] - 1))
        values = np.where(self.adc == none, np.nan, (self.adc - self.baseline) / self.gain)
        late = self.skew * self.per_frame
        return np.append(values[late:], np.full(late, np.nan))


def random_record(seed: int, fmt: str) -> tuple[float, list[Lead]]:
    """Return the frames per second and the leads of a random record."""
    rng = np.random.default_rng(seed)
    count, flac = int(rng.integers(1, 9)), fmt[0] == "5"
    frame_rate = float(rng.choice([62.5, 100, 125, 250]))
    names = rng.permutation(TWELVE)[:count]
    files = rng.choice(["a.dat", "b.dat"], count) if rng.random() < 0.4 else np.full(count, "a.dat")
    per_frame = np.full(count, rng.integers(1, 9))
    if not flac and rng.random() < 0.25:
        per_frame = rng.integers(1, 9, count)
    offset, largest = int(rng.choice([0, 24, 7])), 2 ** (min(BITS[fmt], 18) - 1) - 1
    leads = []
    for name, file, n in zip(names, files, per_frame, strict=True):
        signal = ecg(leads=1, sampling_rate=500, seconds=FRAMES * n / 500)[0] / 1000
        gain = largest / float(rng.uniform(2, 4)) * float(rng.choice([1, 1, 1, -1]))
        baseline = int(rng.integers(-largest // 4, largest // 4 + 1))
        if fmt == "8":
            gain, baseline = 100.0, int(rng.integers(-9000, 9000))  # its differences have eight bits
        adc = np.rint(signal * gain).astype(np.int64) + baseline
        if fmt != "8":
            adc[rng.integers(0, len(adc), rng.integers(0, 20))] = -(2 ** (BITS[fmt] - 1))
        skew, unit = int(rng.choice([0, 0, 1, 5])), str(rng.choice(["mV", "uV"]))
        leads.append(Lead(str(name), str(file), fmt, int(n), skew, offset, gain, baseline, unit, adc))
    return frame_rate, leads


def encode(fmt: str, flat: np.ndarray) -> bytes:
    """Return samples in file order as the bytes of a signal format."""
    if fmt in ("16", "61", "32"):
        return flat.astype({"16": "<i2", "61": ">i2", "32": "<i4"}[fmt]).tobytes()
    if fmt in ("80", "160"):
        return (flat + 2 ** (BITS[fmt] - 1)).astype("<u1" if fmt == "80" else "<u2").tobytes()
    if fmt == "24":
        return flat.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    group = 2 if fmt == "212" else 3
    parts = np.append(flat, np.zeros(-len(flat) % group, flat.dtype)).reshape(-1, group).T & (2 ** BITS[fmt] - 1)
    if fmt == "212":
        a, b = parts
        stored = [a & 255, a >> 8 | b >> 8 << 4, b & 255]
    elif fmt == "310":
        a, b, c = parts
        stored = [(a & 127) << 1, a >> 7 | (c & 31) << 3, (b & 127) << 1, b >> 7 | c >> 5 << 3]
    else:
        a, b, c = parts
        stored = [a & 255, a >> 8 | (b & 63) << 2, b >> 6 | (c & 15) << 4, c >> 4]
    return np.stack(stored, axis=1).astype(np.uint8).tobytes()


def write_file(path: Path, leads: list[Lead]) -> None:
    """Write the signal file of some leads."""
    fmt, offset = leads[0].fmt, leads[0].offset
    if fmt[0] == "5":  # FLAC, with a channel per lead
        channels = np.stack([np.append(np.zeros(offset, np.int64), lead.adc) for lead in leads], axis=1)
        subtype, number, shift = {"508": ("PCM_S8", "i2", 8), "516": ("PCM_16", "i2", 0), "524": ("PCM_24", "i4", 8)}[
            fmt
        ]
        soundfile.write(path, (channels << shift).astype(number), 96000, subtype=subtype, format="FLAC")
        return
    stored = [np.diff(lead.adc, prepend=lead.adc[0]) if fmt == "8" else lead.adc for lead in leads]
    frames = np.hstack([row.reshape(FRAMES, -1) for row in stored])
    content = frames.astype(np.int8).tobytes() if fmt == "8" else encode(fmt, frames.ravel())
    path.write_bytes(bytes(offset) + content)


def write_record(folder: Path, frame_rate: float, leads: list[Lead]) -> Path:
    """Write a record, and a header for each signal file alone: ``wfdb`` mixes up files that take turns."""
    for file in {lead.file for lead in leads}:
        its = [lead for lead in leads if lead.file == file]
        write_file(folder / file, its)
        text = [f"only_{file[0]} {len(its)} {frame_rate} {FRAMES}", *(lead.line() for lead in its), ""]
        (folder / f"only_{file[0]}.hea").write_text("\n".join(text))
    text = [f"x {len(leads)} {frame_rate} {FRAMES}", *(lead.line() for lead in leads), ""]
    (folder / "x.hea").write_text("\n".join(text))
    return folder / "x.hea"


def at_rate(values: np.ndarray, ratio: Fraction) -> np.ndarray:
    """Return a signal with bridged gaps at another rate; NaN where the nearest sample was missing."""
    gaps = np.isnan(values)
    bridged = np.interp(np.arange(len(values)), np.flatnonzero(~gaps), values[~gaps])
    resampled = scipy.signal.resample_poly(bridged, ratio.numerator, ratio.denominator, padtype="line")
    resampled[gaps[np.arange(len(resampled)) * ratio.denominator // ratio.numerator]] = np.nan
    return resampled


@pytest.mark.parametrize("fmt", BITS)
def test_random_records_read_as_written_and_as_by_wfdb(tmp_path: Path, fmt: str) -> None:
    for seed in range(17):
        frame_rate, leads = random_record(1000 * list(BITS).index(fmt) + seed, fmt)
        most = max(lead.per_frame for lead in leads)
        recording = read_recording(write_record(tmp_path, frame_rate, leads))
        assert recording.sampling_rate == frame_rate * most
        assert recording.leads == tuple(lead.name for lead in leads)
        assert not any("gain" in warning or "amplitudes" in warning for warning in recording.warnings)
        for row, missing, lead in zip(recording.signal, recording.missing, leads, strict=True):
            expected = at_rate(lead.millivolts(), Fraction(most, lead.per_frame))
            known = ~np.isnan(expected)
            np.testing.assert_allclose(row[known], expected[known], rtol=0, atol=1e-9, err_msg=f"{seed} {lead.name}")
            assert missing == np.sum(~known)
        for file in {lead.file for lead in leads}:
            its = [lead for lead in leads if lead.file == file]
            # Without skew: wfdb's end of skewed signals is wrong with several samples per frame, and fails in format 8.
            path = str(tmp_path / f"only_{file[0]}")
            read = wfdb.rdrecord(path, smooth_frames=False, ignore_skew=True)
            for values, lead in zip(read.e_p_signal, its, strict=True):
                shifted = np.append(values[lead.skew * lead.per_frame :], np.full(lead.skew * lead.per_frame, np.nan))
                in_millivolts = shifted * (1e-3 if lead.unit == "uV" else 1)
                np.testing.assert_allclose(in_millivolts, lead.millivolts(), rtol=0, atol=1e-9)
