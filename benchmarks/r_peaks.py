"""R peaks against LUDB's marks, and the bradycardia rule against the Challenge's labels.

    python -m benchmarks.r_peaks DATA        DATA holds ludb/data and challenge

R peaks: lead i of the 200 LUDB records, between the first and the last mark of a record (LUDB leaves the first and
last beats unmarked); a detection within +-150 ms of a mark, the usual tolerance (ANSI/AAMI EC57), or within +-75 ms is
right. The intervals are 95 % bootstrap intervals over records. The rule (Algorithm 1) is asked about every recording
that is labelled sinus bradycardia or sinus rhythm; its intervals are Wilson's.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import scipy.stats
import sleepecg
import wfdb

from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation.bradycardia import r_peaks, recording_has_bradycardia

TOLERANCES = (0.150, 0.075)  # s
BOOTSTRAPS = 2000
LABELS = {"426177001": "sinus bradycardia", "426783006": "sinus rhythm"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    print(f"{platform.machine()}, sleepecg {sleepecg.__version__}")
    header_files = find_headers(data / "ludb/data")
    for tolerance in TOLERANCES:
        counts = np.array([compare(path, tolerance) for path in header_files])
        draws = np.random.default_rng(0).integers(len(counts), size=(BOOTSTRAPS, len(counts)))
        low, high = np.percentile([rates(counts[drawn]) for drawn in draws], [2.5, 97.5], axis=0)
        print(f"R peaks, {len(counts)} LUDB records, +-{1000 * tolerance:g} ms:")
        for i, name in enumerate(("sensitivity", "positive predictive value")):
            print(f"    {name} {rates(counts)[i]:.4f} ({low[i]:.4f} to {high[i]:.4f})")
    said: dict[str, list[bool]] = {code: [] for code in LABELS}
    for path in find_headers(data / "challenge"):
        recording = read_recording(path)
        for code in said.keys() & set(recording.diagnoses):
            said[code].append(recording_has_bradycardia(recording))
    for code, label in LABELS.items():
        true, count = sum(said[code]), len(said[code])
        interval = scipy.stats.binomtest(true, count).proportion_ci(method="wilson")
        print(f"bradycardia rule: true for {true} of {count} recordings labelled {label}")
        print(f"    {true / count:.2f} ({interval.low:.2f} to {interval.high:.2f})")


def compare(header_file: Path, tolerance: float) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of one record."""
    recording = read_recording(header_file)
    marks = wfdb.rdann(str(header_file.with_suffix("")), "i")
    qrs = np.array([sample for sample, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol == "N"])
    lead = recording.signal[recording.leads.index("I")]
    found = r_peaks(lead, sampling_rate=recording.sampling_rate)
    found = found[(found >= marks.sample[0]) & (found <= marks.sample[-1])]
    right = sleepecg.compare_heartbeats(found, qrs, round(tolerance * recording.sampling_rate))
    return len(right.TP), len(right.FP), len(right.FN)


def rates(counts: np.ndarray) -> tuple[float, float]:
    """Sensitivity and positive predictive value of records' counts, shape (records, 3)."""
    tp, fp, fn = counts.sum(axis=0)
    return tp / (tp + fn), tp / (tp + fp)


if __name__ == "__main__":
    main()
