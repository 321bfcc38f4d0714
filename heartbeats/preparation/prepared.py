"""Prepare one recording: its signal for the networks, and its bradycardia rule."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.preparation.bradycardia import recording_has_bradycardia
from heartbeats.preparation.signals import prepare_signal
from heartbeats.preparation.workers import Failure, attempt

PAPER_PREPARATION = PreparationSettings()


@dataclass(frozen=True)
class PreparedRecording:
    """Everything that classification needs from a recording.

    Attributes:
        name: the recording's name.
        samples: the prepared signal, or the file in the cache that holds it.
        bradycardia: whether the bradycardia rule is true (Algorithm 1).
        digest: SHA-256 of the samples in the recording's file.
        warnings: what was assumed or repaired, as text.
        checksum: CRC-32 of the prepared signal.
    """

    name: str
    samples: npt.NDArray[np.int16] | Path
    bradycardia: bool
    digest: str
    warnings: tuple[str, ...]
    checksum: int

    @property
    def signal(self) -> npt.NDArray[np.int16]:
        """The prepared signal, int16 in microvolts, shape (8, samples), 500 Hz; read from the cache if needed.

        Raises:
            OSError: the file in the cache cannot be read.
        """
        if isinstance(self.samples, Path):
            signal: npt.NDArray[np.int16] = load_file(self.samples)["signal"]
            return signal
        return self.samples


def prepare(recording: Recording, settings: PreparationSettings = PAPER_PREPARATION) -> PreparedRecording:
    """Prepare a recording for the networks, and apply the bradycardia rule.

    Raises:
        RecordingError: the recording has none of the leads that the networks read.
    """
    signal, warnings = prepare_signal(recording, denoising=settings.denoising)
    return PreparedRecording(
        name=recording.name,
        samples=signal,
        bradycardia=recording_has_bradycardia(recording),
        digest=recording.digest,
        warnings=recording.warnings + warnings,
        checksum=zlib.crc32(signal.tobytes()),
    )


def prepare_file(
    header_file: Path, settings: PreparationSettings = PAPER_PREPARATION, leads: Sequence[str] | None = None
) -> PreparedRecording | Failure:
    """Read and prepare a recording. No exception is raised.

    Args:
        header_file: its ``NAME.hea``.
        settings: how to prepare it.
        leads: use only these leads, or all if ``None``.
    """
    return attempt(header_file.stem, lambda: prepare(read_recording(header_file).with_leads(leads), settings))
