"""Simulate a folder of recordings with the names, headers and labels of the Challenge's sources.

It differs from the real folders:
- Every diagnosis is equally frequent in all sources, and rare ones are more frequent than in reality.
- INCART's records (I) last 60 s instead of 30 min, because one of them would outweigh a small cohort.
- PTB-XL (HR) has ventricular premature beats under the scored code 427172004 instead of 164884008.

As in the real folders, CPSC (A) writes only its own nine labels, and sinus rhythm only if it is the only label. So
relabelling has something to find.
"""

import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from heartbeats.challenge.diagnoses import CPSC_PVC
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import make_empty_folder, write_text
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.ecg.writing import write_record
from heartbeats.simulation.heart_vector import simulate_recording
from heartbeats.simulation.rhythm import Code


class Source(NamedTuple):
    """A source of the Challenge: its number of records in 2020, and lengths in s. Frequent lengths are repeated."""

    prefix: str
    digits: int
    sampling_rate: int
    records: int
    seconds: tuple[float, ...]
    date: str


_CPSC_SECONDS = (*(10,) * 8, 6, 8, 11, 12, 12, 13, 14, 15, 15, 16, 17, 20, 24, 30, 45, 60)
_SOURCES = (
    Source("A", 4, 500, 6877, _CPSC_SECONDS, "05-Feb-2020 11:39:16"),  # CPSC
    Source("Q", 4, 500, 3453, _CPSC_SECONDS, "15-May-2020 15:35:30"),  # CPSC-Extra
    Source("I", 4, 257, 74, (60,), "15-May-2020 15:42:19"),  # St Petersburg INCART
    Source("S", 4, 1000, 516, (32, 38.4, 115.2), "15-May-2020 15:22:05"),  # PTB
    Source("HR", 5, 500, 21837, (10,), "04-Jun-2020 15:11:55"),  # PTB-XL
    Source("E", 5, 500, 10344, (*(10,) * 19, 5), "05-May-2020 09:49:17"),  # Georgia
)
# Some sources write other codes than ``Code`` for the same diagnosis.
_SOURCE_CODES = {
    "A": {Code.RBBB: "59118001", Code.PVC: CPSC_PVC},
    "E": {Code.RBBB: "59118001", Code.PVC: "17338001"},
}
_CPSC_CODES = {
    *(Code.SINUS_RHYTHM, Code.FIBRILLATION, Code.AV_BLOCK, Code.LBBB, Code.RBBB, Code.PAC, Code.PVC),
    *(Code.ST_DEPRESSION, Code.ST_ELEVATION),
}
# How often each rhythm occurs; the shares add up to 1.
_RHYTHMS: dict[tuple[Code, ...], float] = {
    (Code.SINUS_RHYTHM,): 0.46,
    (Code.SINUS_BRADYCARDIA,): 0.09,
    (Code.SINUS_TACHYCARDIA,): 0.09,
    (Code.SINUS_ARRHYTHMIA,): 0.05,
    (Code.SINUS_ARRHYTHMIA, Code.SINUS_BRADYCARDIA): 0.02,
    (Code.FIBRILLATION,): 0.12,
    (Code.FIBRILLATION, Code.BRADYCARDIA): 0.01,
    (Code.FLUTTER,): 0.04,
    (Code.FLUTTER, Code.BRADYCARDIA): 0.01,
    (Code.BRADYCARDIA,): 0.04,
    (Code.PACING,): 0.06,
    (Code.PACING, Code.FIBRILLATION): 0.01,
}
# How often each other diagnosis is drawn.
_OTHERS = {
    Code.AV_BLOCK: 0.09,
    Code.RBBB: 0.10,
    Code.LBBB: 0.06,
    Code.PAC: 0.08,
    Code.PVC: 0.08,
    Code.LEFT_AXIS: 0.14,
    Code.RIGHT_AXIS: 0.05,
    Code.LOW_VOLTAGE: 0.05,
    Code.T_INVERSION: 0.08,
    Code.ST_DEPRESSION: 0.06,
    Code.ST_ELEVATION: 0.03,
}
_OF_SINUS_NODE = {Code.AV_BLOCK, Code.PAC}
_OF_WIDE_QRS = {Code.T_INVERSION, Code.ST_DEPRESSION, Code.ST_ELEVATION}  # ST and T follow from the wide QRS
# The other diagnoses that a diagnosis excludes.
_EXCLUDED: dict[Code, set[Code]] = {
    Code.FIBRILLATION: _OF_SINUS_NODE,
    Code.FLUTTER: _OF_SINUS_NODE,
    Code.BRADYCARDIA: _OF_SINUS_NODE,
    Code.PACING: _OTHERS.keys() - {Code.PVC},
    Code.LBBB: {Code.RBBB, Code.RIGHT_AXIS, *_OF_WIDE_QRS},
    Code.LEFT_AXIS: {Code.RIGHT_AXIS},
    Code.ST_DEPRESSION: {Code.ST_ELEVATION},
}
_README = """Simulated ECG recordings. None of them is of a patient.

They were computed by HeartBeats (python -m heartbeats.simulation . --records {records} --seed {seed}) in the format of
the PhysioNet/CinC Challenge 2020, for demonstrations and tests of programs. Do not draw medical conclusions from them.
"""


def simulate_cohort(directory: Path, *, records: int, seed: int) -> None:
    """Write simulated recordings in the Challenge's format: NAME.mat, NAME.hea and one README.txt.

    Equal seeds give equal files. A recording does not depend on how many follow it.

    Args:
        directory: a new or empty folder.
        records: how many, at least 1.
        seed: at least 0.

    Raises:
        HeartBeatsError: ``records`` or ``seed`` is too small.
        FileExistsError: ``directory`` is a file or is not empty; it stays as it is.
    """
    if records < 1 or seed < 0:
        raise HeartBeatsError(f"{records} records with seed {seed}: give at least 1 record and a seed of 0 or more")
    make_empty_folder(directory)
    write_text(directory / "README.txt", _README.format(records=records, seed=seed))
    shares = np.array([source.records for source in _SOURCES], dtype=float)
    written: Counter[Source] = Counter()
    for record in tqdm(range(records), desc="simulating", unit="recording", disable=None):
        rng = np.random.default_rng([seed, record])
        source = _SOURCES[rng.choice(len(_SOURCES), p=shares / shares.sum())]
        written[source] += 1
        _write_recording(rng, directory, source, f"{source.prefix}{written[source]:0{source.digits}d}")


def _write_recording(rng: np.random.Generator, directory: Path, source: Source, name: str) -> None:
    """Draw diagnoses until the source has a label for them, and write the recording."""
    diagnoses = _draw_diagnoses(rng)
    while not (labels := _labels(source, diagnoses)):
        diagnoses = _draw_diagnoses(rng)
    seconds = float(rng.choice(source.seconds))
    signal = simulate_recording(rng, diagnoses=diagnoses, sampling_rate=source.sampling_rate, seconds=seconds)
    later = rng.uniform() < 0.2
    unit = "mv" if rng.uniform() < 0.05 else "mV"  # some early headers write mv
    age = math.nan if rng.uniform() < 0.03 else int(np.clip(rng.normal(61, 17), 18, 95))
    sex = str(rng.choice(["Male", "Female"]))
    write_record(
        directory,
        Recording(name, signal, source.sampling_rate, STANDARD_LEADS, age, sex, labels),
        later_dialect=later,
        unit=unit,
        date="" if later else source.date,
        notes={"Simulated": "by HeartBeats, not a patient"},
    )


def _draw_diagnoses(rng: np.random.Generator) -> set[Code]:
    """Draw a rhythm and other diagnoses; repeat until no two exclude each other."""
    while True:
        rhythm = list(_RHYTHMS)[rng.choice(len(_RHYTHMS), p=list(_RHYTHMS.values()))]
        present = rng.random(len(_OTHERS)) < list(_OTHERS.values())
        diagnoses = {*rhythm, *(code for code, is_present in zip(_OTHERS, present, strict=True) if is_present)}
        if not any(diagnoses & _EXCLUDED.get(code, set()) for code in diagnoses):
            return diagnoses


def _labels(source: Source, diagnoses: set[Code]) -> tuple[str, ...]:
    """Return the codes that a source writes for these diagnoses. The tuple is empty if CPSC has no label for them."""
    if source.prefix == "A":
        diagnoses = diagnoses & _CPSC_CODES
        diagnoses = diagnoses - {Code.SINUS_RHYTHM} or diagnoses
    own = _SOURCE_CODES.get(source.prefix, {})
    return tuple(sorted(own.get(code, str(code)) for code in diagnoses))
