"""Classify recordings on a Dask cluster, for archives that are too large for one machine.

Header files go out in groups. A worker loads the model once. It prepares and classifies a group, writes its output
files, and returns the answers. Dask gives the groups of a lost worker to another one. All machines need the same paths
of recordings, model and outputs, and the same version of this package.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import dask
from dask.distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker

from heartbeats.challenge.outputs import Prediction
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.folder import BATCH_SIZE, classify_batch
from heartbeats.classification.model_folder import MODEL_FILE, ROOMS, load_model
from heartbeats.common.console import print_line
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.preparation.prepared import prepare_file
from heartbeats.preparation.workers import Failure

AHEAD = 1000  # groups that the scheduler knows
TIMEOUT = 10  # s
LOCAL = {"distributed.worker.profile.enabled": False}  # a worker would keep a day of its profile in memory
RETRIES = 2  # of a group, after an error such as a network folder that does not answer
LOCK = threading.Lock()  # a worker's threads share one model


@dataclass(frozen=True)
class Job:
    """What a worker needs besides the header files.

    Attributes:
        model: the model folder.
        leads: use only these leads, or all if ``None``.
        threshold, thresholds: of all classes, and the user's own by code.
        embeds: whether the answers have embeddings.
        out: the folder of output files, or ``None`` to write none.
        code: the digest of the driver's code.
        digest: the SHA-256 of the driver's ``model.json``, which has those of the weights.
    """

    model: Path
    leads: tuple[str, ...] | None
    threshold: float
    thresholds: tuple[tuple[str, float], ...]
    embeds: bool
    out: Path | None
    code: str
    digest: str

    @classmethod
    def of(cls, classifier: Classifier, out: Path | None) -> "Job":
        """Return the job of a classifier.

        Raises:
            HeartBeatsError: the classifier was not loaded from a folder.
        """
        if classifier.directory is None:
            raise HeartBeatsError("workers load the model from its folder: save it, and load it from there")
        model, out = classifier.directory, out and out.absolute()
        thresholds = tuple(classifier.thresholds.items())
        return cls(
            model,
            classifier.leads,
            classifier.threshold,
            thresholds,
            classifier.embeds,
            out,
            code_digest(*ROOMS),
            _digest(model),
        )


@contextmanager
def classify_on_cluster(
    scheduler: str, classifier: Classifier, header_files: Sequence[Path], out: Path | None
) -> Iterator[Iterator[Prediction | Failure]]:
    """Connect to a cluster, or start one on this machine if ``scheduler`` is "local", and give its answers.

    The answers come in the order in which the groups end.

    Raises:
        HeartBeatsError: no scheduler answers, a worker differs from this machine, or the scheduler ends.
    """
    job = Job.of(classifier, out)
    with ExitStack() as stack:
        client = stack.enter_context(_connect(scheduler, stack))
        if not client.scheduler_info()["workers"]:
            print_line(f"{scheduler} has no workers yet: waiting for the first")
        yield _answers(client, classifier, job, [path.absolute() for path in header_files])


def _connect(scheduler: str, stack: ExitStack) -> Client:
    """Return a client of a cluster. A local one listens on the loopback address only."""
    if scheduler == "local":
        stack.enter_context(dask.config.set(LOCAL))
        return Client(stack.enter_context(LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0")))
    try:
        return Client(scheduler, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise HeartBeatsError(f"{scheduler}: no Dask scheduler answers there ({error})") from error


def _answers(
    client: Client, classifier: Classifier, job: Job, header_files: Sequence[Path]
) -> Iterator[Prediction | Failure]:
    """Yield the answers, and keep the scheduler supplied with groups.

    Dask gives up a group that ended several workers, and what these workers held besides. Each of their recordings is
    then classified alone, so that only the one that ends workers is named.
    """
    groups = (header_files[start : start + BATCH_SIZE] for start in range(0, len(header_files), BATCH_SIZE))
    running: dict[Future[Any], Sequence[Path]] = {}
    completed = as_completed()
    suspects: list[Path] = []

    def submit(files: Sequence[Path]) -> Future[Any]:
        return client.submit(classify_group, files, job, pure=False, retries=RETRIES)

    def supply(count: int) -> None:
        for group in islice(groups, count):
            future = submit(group)
            running[future] = group
            completed.add(future)

    supply(AHEAD)
    for future in completed:
        files = running.pop(future)
        try:
            yield from _result(future)
        except KilledWorker:
            suspects += files
        supply(1)
    for path in suspects:
        try:
            yield from _result(submit([path]))
        except KilledWorker:
            failure = Failure(path.stem, "the worker that prepared it ended several times")
            yield from classify_batch(classifier, [failure], job.out)


def _result(future: "Future[Any]") -> list[Prediction | Failure]:
    """Return a group's answers.

    Raises:
        HeartBeatsError: the worker refuses the job, cannot run this code, or the scheduler has ended.
        KilledWorker: the group ended several workers.
    """
    try:
        result = future.result()
    except (KilledWorker, HeartBeatsError):
        raise
    except CancelledError as error:
        raise HeartBeatsError("the scheduler has ended; start it and run the same command with --resume") from error
    except Exception as error:
        raise HeartBeatsError(f"a worker failed ({type(error).__name__}: {error}); mend it and use --resume") from error
    if isinstance(result, str):
        raise HeartBeatsError(result)
    answers: list[Prediction | Failure] = result
    return answers


def classify_group(header_files: Sequence[Path], job: Job) -> list[Prediction | Failure] | str:
    """Classify a group on a worker; or return why this worker cannot, so that Dask does not try again."""
    with LOCK:
        try:
            classifier = _model(job)
        except HeartBeatsError as error:
            return f"worker {get_worker().name} ({get_worker().address}) is refused: {error}"
        settings = classifier.settings.preparation
        prepared = [prepare_file(path, settings, job.leads) for path in header_files]
        return classify_batch(classifier, prepared, job.out)


@lru_cache(maxsize=1)
def _model(job: Job) -> Classifier:
    """Return the job's model.

    Raises:
        HeartBeatsError: this worker's code or model differs from the driver's.
        ModelError: the model folder is missing or damaged.
    """
    if code_digest(*ROOMS) != job.code:
        raise HeartBeatsError("its code of HeartBeats, or its Python, is not the driver's")
    if _digest(job.model) != job.digest:
        raise HeartBeatsError(f"it has another model in {job.model} than the driver")
    model = load_model(job.model, job.leads)
    return replace(model, threshold=job.threshold, thresholds=dict(job.thresholds), embeds=job.embeds)


def _digest(model: Path) -> str:
    """Return the SHA-256 of a model's description, or nothing if it cannot be read."""
    try:
        return hashlib.sha256((model / MODEL_FILE).read_bytes()).hexdigest()
    except OSError:
        return ""
