"""Compare R peaks with LUDB's marks, and the bradycardia rule with the Challenge's labels.

    python -m benchmarks.r_peaks DATA        DATA has the folders ludb/data and challenge

- R peaks: lead I of the 200 LUDB records, from the first to the last mark. LUDB does not mark the first and last beats.
  A peak is right within 150 ms of a mark, the usual tolerance (ANSI/AAMI EC57), or within 75 ms. The 95 % intervals
  are a bootstrap over records.
- The rule (Algorithm 1) on the recordings labelled sinus bradycardia or sinus rhythm, with Wilson's 95 % intervals.
"""

import platform
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.stats
import sleepecg
import wfdb

from benchmarks.measuring import arguments
from heartbeats.common.bootstrap import bootstrap_interval
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation.bradycardia import r_peaks, recording_has_bradycardia

LABELS = {"426177001": "sinus bradycardia", "426783006": "sinus rhythm"}


def main() -> None:
    data = arguments(__doc__, "data").data
    print(f"{platform.machine()}, sleepecg {sleepecg.__version__}")
    for tolerance in (0.150, 0.075):  # s
        counts = np.array([count_peaks(path, tolerance) for path in find_headers(data / "ludb/data")])
        low, high = bootstrap_interval(lambda rows, counts=counts: rates(counts[rows]), len(counts), draws=2000)
        print(f"R peaks, {len(counts)} LUDB records, +-{1000 * tolerance:g} ms:")
        for i, name in enumerate(("sensitivity", "positive predictive value")):
            print(f"    {name} {rates(counts)[i]:.4f} ({low[i]:.4f} to {high[i]:.4f})")
    answers: dict[str, list[bool]] = {code: [] for code in LABELS}
    for path in find_headers(data / "challenge"):
        recording = read_recording(path)
        for code in answers.keys() & set(recording.diagnoses):
            answers[code].append(recording_has_bradycardia(recording))
    for code, label in LABELS.items():
        test = scipy.stats.binomtest(sum(answers[code]), len(answers[code]))
        low, high = test.proportion_ci(method="wilson")
        print(f"bradycardia rule: true for {test.k} of {test.n} recordings labelled {label}")
        print(f"    {test.statistic:.2f} ({low:.2f} to {high:.2f})")


def count_peaks(header_file: Path, tolerance: float) -> tuple[int, int, int]:
    """Return the true positives, false positives and false negatives of one record."""
    recording = read_recording(header_file)
    marks = wfdb.rdann(str(header_file.with_suffix("")), "i")
    qrs = np.array([sample for sample, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol == "N"])
    found = r_peaks(recording.signal[recording.leads.index("I")], sampling_rate=recording.sampling_rate)
    found = found[(found >= marks.sample[0]) & (found <= marks.sample[-1])]
    compared = sleepecg.compare_heartbeats(found, qrs, round(tolerance * recording.sampling_rate))
    return len(compared.TP), len(compared.FP), len(compared.FN)


def rates(counts: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Return sensitivity and positive predictive value of the counts of records, shape (records, 3)."""
    tp, fp, fn = counts.sum(axis=0)
    return tp / (tp + fn), tp / (tp + fp)


if __name__ == "__main__":
    main()
