"""Prepared recordings: all that classification needs, and a cache that later trainings read.

:func:`prepare` and :func:`prepare_file` prepare one recording, :func:`prepare_files` many, on all cores.

The cache is a folder with one file per recording, ``KEY.safetensors``. The file holds the prepared signal and, as its
metadata, the other fields of a :class:`PreparedRecording`. KEY is a digest of all inputs: the code of
``heartbeats/ecg`` and ``heartbeats/preparation``, the settings, the header's text, and the signal files' sizes and
times. If one of them changes, the recording gets a new key and is prepared again. Files are written atomically, so
several processes and models can share a cache. Old files are never deleted. You can delete the folder at any time.
"""

import dataclasses
import hashlib
import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save
from tqdm import tqdm

from heartbeats.challenge.diagnoses import ABBREVIATIONS, snomed_codes
from heartbeats.common.digest import code_digest
from heartbeats.common.files import read_bytes, replace_file
from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import Recording, RecordingError, read_recording, signal_files
from heartbeats.preparation.bradycardia import recording_has_bradycardia
from heartbeats.preparation.signals import prepare_signal
from heartbeats.preparation.workers import Failure, attempt, map_recordings

log = logging.getLogger(__name__)

PAPER_PREPARATION = PreparationSettings()


@dataclass(frozen=True)
class PreparedRecording:
    """All that classification needs of a recording.

    Attributes:
        name: the recording's name.
        samples: the prepared signal, or the file in the cache that holds it.
        bradycardia: whether the bradycardia rule is true (Algorithm 1).
        digest: SHA-256 of the samples in the recording's file.
        warnings: what was assumed or repaired, as text.
        checksum: CRC-32 of the prepared signal.
        mark: a digest of name, age, sex and scored labels, which a recording keeps if it is resampled or converted.
        seconds: the length of the recording; ``signal`` has at most its first 30 s.
    """

    name: str
    samples: npt.NDArray[np.int16] | Path
    bradycardia: bool
    digest: str
    warnings: tuple[str, ...]
    checksum: int
    mark: str = ""
    seconds: float = 0.0

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
    scored = sorted(set(snomed_codes(recording.diagnoses)) & ABBREVIATIONS.keys())
    facts = f"{recording.name} {recording.age:g} {recording.sex} {scored}"
    return PreparedRecording(
        name=recording.name,
        samples=signal,
        bradycardia=recording_has_bradycardia(recording),
        digest=recording.digest,
        warnings=recording.warnings + warnings,
        checksum=zlib.crc32(signal.tobytes()),
        mark=hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest(),
        seconds=recording.seconds,
    )


def prepare_file(
    header_file: Path, settings: PreparationSettings = PAPER_PREPARATION, leads: Sequence[str] | None = None
) -> PreparedRecording | Failure:
    """Read and prepare a recording.

    Args:
        header_file: its ``NAME.hea``.
        settings: how to prepare it.
        leads: use only these leads, or all if ``None``.
    """
    return attempt(header_file.stem, lambda: prepare(read_recording(header_file).with_leads(leads), settings))


def prepare_files(
    header_files: Sequence[Path], cache: Path, settings: PreparationSettings = PAPER_PREPARATION
) -> list[PreparedRecording | Failure]:
    """Prepare recordings, or read them from the cache. Return them in order.

    A :class:`Failure` is not cached: each call tries the recording again.

    Args:
        header_files: one per recording.
        cache: the folder of the cache, made if missing.
        settings: how to prepare.

    Raises:
        OSError: the cache cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    before = len(list(cache.iterdir()))
    prepared = map_recordings(partial(_from_cache, cache=cache, settings=settings), header_files)
    found = list(tqdm(prepared, desc="preparing", total=len(header_files), unit="recording", disable=None))
    log.info(
        "%d recordings, %d of them prepared now; cache: %s", len(found), len(list(cache.iterdir())) - before, cache
    )
    return found


def _from_cache(header_file: Path, *, cache: Path, settings: PreparationSettings) -> PreparedRecording | Failure:
    """Read a prepared recording from the cache, or prepare and write it. Runs in a worker process."""
    path = cache / f"{_key(header_file, settings)}.safetensors"
    if cached := _read(path):
        return cached
    prepared = prepare_file(header_file, settings)
    return prepared if isinstance(prepared, Failure) else _write(path, prepared)


def _key(header_file: Path, settings: PreparationSettings) -> str:
    """Return the digest of all inputs of a prepared recording."""
    parts = [code_digest("ecg", "preparation"), str(settings), header_file.stem]
    try:
        parts.append(hashlib.sha256(read_bytes(header_file)).hexdigest())
        for path in signal_files(header_file):
            status = path.stat()
            parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    except (OSError, ValueError, RecordingError) as error:
        parts.append(str(error))  # a file is missing or its name impossible: reading it gives the reason
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _write(path: Path, prepared: PreparedRecording) -> PreparedRecording:
    """Write a file of the cache. Return the recording with this file instead of the signal."""
    in_cache = dataclasses.replace(prepared, samples=path)
    fields = json.dumps(vars(in_cache) | {"samples": None})
    content = save({"signal": prepared.signal}, {"recording": fields})
    replace_file(path, lambda temporary: temporary.write_bytes(content))
    return in_cache


def _read(path: Path) -> PreparedRecording | None:
    """Read a file of the cache; ``None`` if it is missing or damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            fields = json.loads(file.metadata()["recording"])
            intact = zlib.crc32(file.get_tensor("signal").tobytes()) == fields["checksum"]
    except (OSError, SafetensorError):
        intact = False
    if not intact:
        log.warning("%s is damaged: the recording is prepared again", path)
        return None
    return PreparedRecording(**(fields | {"samples": path, "warnings": tuple(fields["warnings"])}))
