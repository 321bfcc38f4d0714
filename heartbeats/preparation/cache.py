"""The cache of prepared recordings: one file per recording, which later trainings read.

A file ``KEY.safetensors`` holds the prepared signal and, as its metadata, the other fields of a
:class:`PreparedRecording`. KEY is a digest of all inputs: the code of ``ecg`` and ``preparation``,
the settings, the header's text, and the signal files' sizes and times. If one changes, the recording gets a new key and
is prepared again. Files are written atomically, so several processes and models can share a cache. Old files are never
deleted. You can delete the folder when no training runs.
"""

import hashlib
import json
import logging
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm import tqdm

from heartbeats.common.digest import code_digest
from heartbeats.common.files import read_bytes, replace_file
from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import RecordingError, signal_files
from heartbeats.preparation.prepared import PAPER_PREPARATION, PreparedRecording, prepare_file
from heartbeats.preparation.workers import Failure, map_recordings

log = logging.getLogger(__name__)


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
    prepared = map_recordings(partial(_from_cache, cache=cache, settings=settings), header_files)
    log.info("preparing %d recordings, or reading them from %s", len(header_files), cache)
    return list(tqdm(prepared, desc="preparing", total=len(header_files), unit="recording", disable=None))


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
    except (OSError, ValueError, RecordingError) as error:  # reading the file gives the reason later
        parts.append(str(error))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _write(path: Path, prepared: PreparedRecording) -> PreparedRecording:
    """Write a file of the cache. Return the recording with this file instead of the signal."""
    described: dict[str, Any] = {
        "name": prepared.name,
        "bradycardia": prepared.bradycardia,
        "digest": prepared.digest,
        "warnings": prepared.warnings,
        "checksum": prepared.checksum,
    }
    content = save({"signal": prepared.signal}, {"recording": json.dumps(described)})
    replace_file(path, lambda temporary: temporary.write_bytes(content))
    return PreparedRecording(samples=path, **described)


def _read(path: Path) -> PreparedRecording | None:
    """Read a file of the cache; ``None`` if it is missing or damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads(file.metadata()["recording"])
            checksum = zlib.crc32(file.get_tensor("signal").tobytes())
    except (OSError, SafetensorError) as error:
        log.warning("%s is damaged (%s): the recording is prepared again", path, error)
        return None
    if checksum != described["checksum"]:
        log.warning("%s is damaged: the recording is prepared again", path)
        return None
    return PreparedRecording(samples=path, **(described | {"warnings": tuple(described["warnings"])}))
