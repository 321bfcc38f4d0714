"""Measure how much the wavelet denoising depends on where a recording begins: python -m benchmarks.wavelet_shift DATA.

The transform is not shift-invariant: its coarsest level has steps of 256 samples (0.512 s). Two measurements:

- Each real recording below DATA is prepared as it is and with its first 0.256 s cut off. The difference is taken where
  both have samples, without the first and last second.
- A lead with an ST elevation of 0.2 mV for 0.3 s in each beat at 60 /min, and 0 mV elsewhere, is denoised at 64 phases.
  The elevation that remains is the mean of the ST segment less the mean of the 0.1 s before it.
"""

import sys
from pathlib import Path

import numpy as np

from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import RecordingError, read_recording
from heartbeats.preparation.leads import select_leads
from heartbeats.preparation.signals import SAMPLING_RATE, denoise, resample

SHIFT, STEP = 128, 0.2  # samples; mV
MARGIN = SAMPLING_RATE


def differences(folder: Path) -> list[tuple[float, float]]:
    """Return, per lead of each real recording, the RMS difference over the lead's RMS, and the largest one in mV."""
    found = []
    for header_file in find_headers(folder):
        try:
            recording = read_recording(header_file)
            signal, _ = select_leads(recording.signal, recording.leads)
        except RecordingError as error:
            print(f"{header_file.stem}: left out: {error}", file=sys.stderr)
            continue
        signal = resample(signal, sampling_rate=recording.sampling_rate)[:, : 30 * SAMPLING_RATE]
        whole, cut = denoise(signal)[:, SHIFT:], denoise(signal[:, SHIFT:])
        whole, cut = whole[:, MARGIN:-MARGIN], cut[:, MARGIN:-MARGIN]
        for lead, other in zip(whole, cut, strict=True):
            if lead.any():
                found.append((float(np.std(lead - other) / np.std(lead)), float(np.abs(lead - other).max())))
    return found


def remaining_steps() -> list[float]:
    """Return the ST elevation in mV that remains at each phase."""
    time = np.arange(10 * SAMPLING_RATE)
    remaining = []
    for phase in range(0, 512, 8):
        beat = (time + phase) % SAMPLING_RATE
        elevated, before = (beat >= 200) & (beat < 350), (beat >= 100) & (beat < 150)
        lead = denoise(np.where(elevated, STEP, 0.0)[None])[0]
        inside = (time >= MARGIN) & (time < len(time) - MARGIN)
        remaining.append(float(lead[elevated & inside].mean() - lead[before & inside].mean()))
    return remaining


def main() -> None:
    """Print both measurements."""
    relative, largest = np.array(differences(Path(sys.argv[1]))).T
    print(f"leads: {len(relative)}; RMS difference over RMS: median {np.median(relative):.3f},", end=" ")
    print(
        f"95th percentile {np.percentile(relative, 95):.3f}; largest difference: median {np.median(largest):.3f} mV,",
        end=" ",
    )
    print(f"95th percentile {np.percentile(largest, 95):.3f} mV")
    steps = remaining_steps()
    print(f"ST elevation of {STEP} mV: {min(steps):.3f} to {max(steps):.3f} mV remain, by phase")


if __name__ == "__main__":
    main()
