"""Folders of simulated recordings, named, labelled and written as in the Challenge's sources.

Where a simulated cohort deviates from the real ones:
- Every diagnosis is as frequent in one source as in the next, and the rare ones are more frequent than in reality.
- INCART's records (I) last 60 s, not 30 min, so that one of them does not outweigh a small cohort.
- PTB-XL (HR) has ventricular premature beats under the scored code 427172004, not under the unscored 164884008.

As in the real ones, CPSC (A) carries labels only out of its own nine, whatever else was simulated, and sinus rhythm
only as the one label: the relabelling of CPSC has something to find.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from heartbeats.challenge.diagnoses import CPSC_PVC
from heartbeats.common.files import write_text
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.ecg.writing import make_empty_folder, write_record
from heartbeats.simulation.codes import Code, SimulationError, contradiction
from heartbeats.simulation.heart_vector import simulate_recording

__all__ = ["simulate_cohort"]


@dataclass(frozen=True)
class Source:
    """A source of the Challenge.

    sampling_rate in Hz; share: its number of records in the training data of 2020; seconds: lengths, as often as there;
    written: date and time on the first line of its headers.
    """

    prefix: str
    digits: int
    sampling_rate: int
    share: int
    seconds: tuple[float, ...]
    written: str


_CPSC_SECONDS = (*(10,) * 8, 6, 8, 11, 12, 12, 13, 14, 15, 15, 16, 17, 20, 24, 30, 45, 60)
_SOURCES = (
    Source("A", 4, 500, 6877, _CPSC_SECONDS, "05-Feb-2020 11:39:16"),  # CPSC
    Source("Q", 4, 500, 3453, _CPSC_SECONDS, "15-May-2020 15:35:30"),  # CPSC-Extra
    Source("I", 4, 257, 74, (60,), "15-May-2020 15:42:19"),  # St Petersburg INCART
    Source("S", 4, 1000, 516, (32, 38.4, 115.2), "15-May-2020 15:22:05"),  # PTB
    Source("HR", 5, 500, 21837, (10,), "04-Jun-2020 15:11:55"),  # PTB-XL
    Source("E", 5, 500, 10344, (*(10,) * 19, 5), "05-May-2020 09:49:17"),  # Georgia
)
# Codes that a source writes in the place of ``Code``'s.
_SOURCE_CODES = {
    "A": {Code.RBBB: "59118001", Code.PVC: CPSC_PVC},
    "E": {Code.RBBB: "59118001", Code.PVC: "17338001"},
}
_CPSC_CODES = {
    *(Code.SINUS_RHYTHM, Code.FIBRILLATION, Code.AV_BLOCK, Code.LBBB, Code.RBBB, Code.PAC, Code.PVC),
    *(Code.ST_DEPRESSION, Code.ST_ELEVATION),
}
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
_README = """Simulated ECG recordings. None of them is of a patient.

They were computed by HeartBeats (python -m heartbeats.simulation . --records {records} --seed {seed}) in the format of
the PhysioNet/CinC Challenge 2020, for demonstrations and tests of programs. Do not draw medical conclusions from them.
"""


def simulate_cohort(directory: Path, *, records: int, seed: int) -> None:
    """Write simulated recordings in the Challenge's format: NAME.mat and NAME.hea of each, and a README.txt.

    The same seed gives the same bytes; record k is the same however many follow it.

    Args:
        directory: new or empty.
        records: how many, 1 or more.
        seed: 0 or more.

    Raises:
        SimulationError: no records, or a negative seed.
        FileExistsError: the directory is a file or holds something already, which is left as it is.
    """
    if records < 1 or seed < 0:
        raise SimulationError(f"{records} records with seed {seed}: give 1 or more, and a seed of 0 or more")
    make_empty_folder(directory)
    write_text(directory / "README.txt", _README.format(records=records, seed=seed))
    shares = np.array([source.share for source in _SOURCES], dtype=float)
    written: Counter[Source] = Counter()
    for record in tqdm(range(records), desc="simulating", unit="recording", disable=None):
        rng = np.random.default_rng([seed, record])
        source = _SOURCES[rng.choice(len(_SOURCES), p=shares / shares.sum())]
        written[source] += 1
        _simulate_record(rng, directory, source, f"{source.prefix}{written[source]:0{source.digits}d}")


def _simulate_record(rng: np.random.Generator, directory: Path, source: Source, name: str) -> None:
    """Simulate a patient of this source, and write the recording."""
    diagnoses = _draw_diagnoses(rng)
    while not (labels := _labels(source, diagnoses)):
        diagnoses = _draw_diagnoses(rng)
    seconds = float(rng.choice(source.seconds))
    signal = simulate_recording(rng, diagnoses=diagnoses, sampling_rate=source.sampling_rate, seconds=seconds)
    later = rng.uniform() < 0.2
    unit = "mv" if rng.uniform() < 0.05 else "mV"  # as some early headers
    age = math.nan if rng.uniform() < 0.03 else int(np.clip(rng.normal(61, 17), 18, 95))
    sex = str(rng.choice(["Male", "Female"]))
    write_record(
        directory,
        Recording(name, signal, source.sampling_rate, STANDARD_LEADS, age, sex, labels),
        later_dialect=later,
        unit=unit,
        date="" if later else source.written,
        notes={"Simulated": "by HeartBeats, not a patient"},
    )


def _draw_diagnoses(rng: np.random.Generator) -> set[Code]:
    """Draw a rhythm and what else is the matter, anew until nothing excludes another."""
    rhythms, odds = list(_RHYTHMS), np.array(list(_RHYTHMS.values()))
    while True:
        rhythm = rhythms[rng.choice(len(rhythms), p=odds / odds.sum())]
        present = rng.random(len(_OTHERS)) < np.array(list(_OTHERS.values()))
        diagnoses = {*rhythm, *(code for code, is_present in zip(_OTHERS, present, strict=True) if is_present)}
        if not contradiction(diagnoses):
            return diagnoses


def _labels(source: Source, diagnoses: Collection[Code]) -> tuple[str, ...]:
    """Return the codes that a source writes for these diagnoses; none where CPSC has no word for any of them."""
    if source.prefix == "A":
        diagnoses = _CPSC_CODES.intersection(diagnoses)
        diagnoses = diagnoses - {Code.SINUS_RHYTHM} or diagnoses
    own = _SOURCE_CODES.get(source.prefix, {})
    return tuple(sorted(own.get(code, str(code)) for code in diagnoses))
