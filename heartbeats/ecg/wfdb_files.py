"""Read the samples of plain WFDB signal files, such as NAME.dat, with ``wfdb``.

``wfdb`` refuses many header lines and paths that it does not need. So it gets a short header that only describes the
samples, and a link to the signal file. For the formats, see https://physionet.org/physiotools/wag/signal-5.htm
"""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import scipy.signal

from heartbeats.ecg.calibration import bridge
from heartbeats.ecg.header import Header, SignalLine

Floats = npt.NDArray[np.float64]

# How many samples in how many bytes, by signal format. Other formats are FLAC files.
SAMPLES_IN_BYTES = {
    "8": (1, 1), "80": (1, 1), "16": (1, 2), "61": (1, 2), "160": (1, 2), "24": (1, 3), "32": (1, 4),
    "212": (2, 3), "310": (3, 4), "311": (3, 4),
}  # fmt: skip


def read_wfdb_samples(header: Header, files: list[Path]) -> Floats:
    """Return samples in ADC units at the header's sampling rate, shape (leads, samples).

    Leads of other rates are resampled by polyphase filtering. A file that is shorter than announced is read to its end.
    Samples that skew moves beyond the end are NaN. ``files`` are the signal lines' files.

    Raises:
        Exception: a file is damaged or empty. ``wfdb`` and ``soundfile`` raise many types.
    """
    rows = {path: [i for i, each in enumerate(files) if each == path] for path in files}
    lines = {path: [header.signals[i] for i in indices] for path, indices in rows.items()}
    announced = [header.samples // header.samples_per_frame] if header.samples else []
    frames = min(announced + [_frames(path, its) for path, its in lines.items()])
    if frames < 1:
        raise ValueError("it holds no samples")
    samples: dict[int, Floats] = {}
    for path, indices in rows.items():
        for i, row in zip(indices, _read(path, lines[path], frames), strict=True):
            samples[i] = _aligned(row, header.signals[i], header.samples_per_frame)
    return np.stack([samples[i] for i in range(len(files))])


def _frames(path: Path, lines: list[SignalLine]) -> int:
    """Return how many frames a signal file holds."""
    if lines[0].format not in SAMPLES_IN_BYTES:
        import soundfile  # noqa: PLC0415 - few recordings need it

        return (int(soundfile.info(path).frames) - lines[0].offset) // lines[0].samples_per_frame
    samples, size = SAMPLES_IN_BYTES[lines[0].format]
    per_frame = sum(line.samples_per_frame for line in lines)
    return (path.stat().st_size - lines[0].offset) * samples // (size * per_frame)


def _read(path: Path, lines: list[SignalLine], frames: int) -> list[Floats]:
    """Return each lead's samples as they lie in a signal file; missing ones are NaN."""
    import wfdb  # noqa: PLC0415 - it imports pandas, which is slow

    with TemporaryDirectory() as folder:
        Path(folder, "signal.dat").symlink_to(path.absolute())
        layout = [f"signal.dat {x.format}x{x.samples_per_frame}+{x.offset} 1 0 0 {x.first}" for x in lines]
        Path(folder, "record.hea").write_text("\n".join([f"record {len(lines)} 1 {frames}", *layout, ""]))
        # With a gain of 1, the physical signal is in ADC units. The digital one fails in format 61.
        record = wfdb.rdrecord(f"{folder}/record", smooth_frames=False, ignore_skew=True)
    return list(record.e_p_signal)


def _aligned(row: Floats, line: SignalLine, samples_per_frame: int) -> Floats:
    """Return a lead without skew, with as many samples per frame as wanted."""
    if line.skew:
        late = line.skew * line.samples_per_frame
        row = np.append(row[late:], np.full(min(late, len(row)), np.nan))
    if line.samples_per_frame == samples_per_frame:
        return row
    gaps = np.isnan(row)
    bridged = bridge(row, gaps, line.baseline) - line.baseline  # an offset would ripple
    up, down = Fraction(samples_per_frame, line.samples_per_frame).as_integer_ratio()
    resampled: Floats = scipy.signal.resample_poly(bridged, up, down, padtype="line") + line.baseline
    resampled[gaps[np.arange(len(resampled)) * down // up]] = np.nan
    return resampled
