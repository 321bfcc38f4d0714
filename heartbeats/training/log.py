"""The log of a training: to stdout, and to ``training.log`` in the model folder."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heartbeats.common.errors import HeartBeatsError
from heartbeats.training import parallel

LOG_FILE = "training.log"


@contextmanager
def training_log(directory: Path) -> Iterator[None]:
    """Send the package's log to stdout and to a file in a model folder; only rank 0 writes.

    An exception is logged too if the training has begun.
    """
    log = logging.getLogger("heartbeats")
    log.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.NullHandler()]
    if parallel.is_first():
        screen = logging.StreamHandler(sys.stdout)
        screen.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        # delay: the folder may not exist yet.
        file = logging.FileHandler(directory / LOG_FILE, encoding="utf-8", delay=True, errors="backslashreplace")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handlers = [screen, file]
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    except BaseException as error:
        if (directory / LOG_FILE).exists():
            expected = isinstance(error, (HeartBeatsError, OSError, KeyboardInterrupt))
            log.critical("the training has ended: %s", str(error) or type(error).__name__, exc_info=not expected)
        raise
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
