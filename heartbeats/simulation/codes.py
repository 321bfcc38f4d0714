"""The diagnoses that can be simulated, and which of them exclude each other."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from heartbeats.challenge.diagnoses import CPSC_PVC
from heartbeats.common.errors import HeartBeatsError

__all__ = ["Code", "SimulationError", "checked_codes", "contradiction"]


class SimulationError(HeartBeatsError, ValueError):
    """What is asked for cannot be simulated."""


class Code(StrEnum):
    """SNOMED CT codes."""

    SINUS_RHYTHM = "426783006"
    SINUS_BRADYCARDIA = "426177001"
    SINUS_TACHYCARDIA = "427084000"
    SINUS_ARRHYTHMIA = "427393009"
    BRADYCARDIA = "426627000"  # here: a slow rhythm that the sinus node does not lead
    FIBRILLATION = "164889003"
    FLUTTER = "164890007"
    PACING = "10370003"
    AV_BLOCK = "270492004"
    RBBB = "713427006"
    LBBB = "164909002"
    PAC = "284470004"
    PVC = "427172004"
    LEFT_AXIS = "39732003"
    RIGHT_AXIS = "47665007"
    LOW_VOLTAGE = "251146004"
    T_INVERSION = "59931005"
    ST_DEPRESSION = "429622005"
    ST_ELEVATION = "164931005"


# The same diagnoses under the codes of other sources.
_SYNONYMS = {"59118001": Code.RBBB, "17338001": Code.PVC, CPSC_PVC: Code.PVC}

_SINUS_RATES = {Code.SINUS_RHYTHM, Code.SINUS_BRADYCARDIA, Code.SINUS_TACHYCARDIA}
_NOT_SINUS = {Code.FIBRILLATION, Code.FLUTTER, Code.BRADYCARDIA, Code.PACING}
_ST_AND_T = {Code.T_INVERSION, Code.ST_DEPRESSION, Code.ST_ELEVATION}
# No diagnosis of the first set goes with another one of the second.
_CONFLICTS: tuple[tuple[set[Code], set[Code]], ...] = (
    (_SINUS_RATES, _SINUS_RATES),
    ({Code.SINUS_ARRHYTHMIA}, {Code.SINUS_TACHYCARDIA}),
    ({*_SINUS_RATES, Code.SINUS_ARRHYTHMIA, Code.AV_BLOCK, Code.PAC}, _NOT_SINUS),
    ({Code.FLUTTER}, {Code.FIBRILLATION, Code.PACING}),
    ({Code.PACING}, {Code.BRADYCARDIA, Code.RBBB, Code.LEFT_AXIS, Code.RIGHT_AXIS, Code.LOW_VOLTAGE}),
    ({Code.LBBB, Code.PACING}, {Code.LBBB, Code.PACING, *_ST_AND_T}),  # ST and T are secondary to the wide QRS
    ({Code.LBBB}, {Code.RBBB, Code.RIGHT_AXIS}),
    ({Code.LEFT_AXIS}, {Code.RIGHT_AXIS}),
    ({Code.ST_DEPRESSION}, {Code.ST_ELEVATION}),
)


def checked_codes(diagnoses: Collection[str]) -> set[Code]:
    """Return the diagnoses as codes.

    Raises:
        SimulationError: a code that is not simulated, or two that exclude each other.
    """
    unknown = sorted(set(diagnoses) - set(Code) - set(_SYNONYMS))
    if unknown:
        raise SimulationError(f"cannot simulate {', '.join(unknown)}: choose from {', '.join(Code)}")
    codes = {_SYNONYMS.get(code) or Code(code) for code in diagnoses}
    if pair := contradiction(codes):
        raise SimulationError(" and ".join(f"{code} ({code.name})" for code in pair) + " exclude each other")
    return codes


def contradiction(codes: Collection[Code]) -> tuple[Code, Code] | None:
    """Return two diagnoses that exclude each other, or None."""
    for some, others in _CONFLICTS:
        for code in sorted(some.intersection(codes)):
            for other in sorted(others.intersection(codes) - {code}):
                return code, other
    return None
