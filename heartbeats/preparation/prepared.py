"""All that classification needs of a recording: its prepared signal, and what the bradycardia rule says."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.heart_rate import recording_has_bradycardia
from heartbeats.preparation.preprocessing import prepare

PAPER_PREPARATION = PreparationSettings()

__all__ = ["PAPER_PREPARATION", "Failure", "Prepared", "attempt", "prepare_file", "prepare_recording"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class Prepared:
    """All that classification needs of a recording.

    Attributes:
        name: the recording's name.
        signal: int16 in microvolts, shape (8, samples), 500 Hz (see :mod:`heartbeats.preparation.preprocessing`).
        bradycardia: what the rule says (Algorithm 1).
        digest: SHA-256 of the samples as stored.
        warnings: what had to be assumed or mended, in words.
    """

    name: str
    signal: npt.NDArray[np.int16]
    bradycardia: bool
    digest: str
    warnings: tuple[str, ...]

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of the signal. Several networks' identities ask for it: 43,101 signals take seconds to read."""
        return zlib.crc32(self.signal.tobytes())


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be used, and why."""

    name: str
    reason: str


def prepare_recording(recording: Recording, settings: PreparationSettings = PAPER_PREPARATION) -> Prepared:
    """Prepare a recording that was read already.

    Raises:
        RecordingError: it has none of the leads that the networks read.
    """
    signal, warnings = prepare(recording, denoising=settings.denoising)
    return Prepared(
        name=recording.name,
        signal=signal,
        bradycardia=recording_has_bradycardia(recording),
        digest=recording.digest,
        warnings=recording.warnings + warnings,
    )


def prepare_file(header_file: Path, settings: PreparationSettings = PAPER_PREPARATION) -> Prepared | Failure:
    """Read and prepare the recording of a header file; one that cannot be used becomes a :class:`Failure`."""
    return attempt(header_file.stem, lambda: prepare_recording(read_recording(header_file), settings))


def attempt(name: str, make: Callable[[], Made]) -> Made | Failure:
    """What ``make`` makes of the recording of this name, or why it cannot; nothing that it raises goes further."""
    try:
        return make()
    except RecordingError as error:
        return Failure(name, str(error))
    except Exception as error:  # a fault of this program costs this recording, by name, and no other
        return Failure(name, f"unforeseen {type(error).__name__}: {error}")
