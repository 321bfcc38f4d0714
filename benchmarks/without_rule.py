"""Recordings prepared without the bradycardia rule, which the target of ``preparation_speed`` does not count.

On its own, for the workers: what a module imports costs them time, whenever Python looks for garbage.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import mock

from heartbeats.ecg.recording import Recording
from heartbeats.preparation import prepared
from heartbeats.preparation.read_ahead import read_groups_ahead

__all__ = ["groups_without_rule"]


def groups_without_rule(make: Any, *items: Any) -> Iterator[Any]:
    """As :func:`heartbeats.preparation.read_ahead.read_groups_ahead`."""
    return read_groups_ahead(partial(_make, make), *items)


def _make(make: Any, *items: Any) -> Any:
    with mock.patch.object(prepared, "recording_has_bradycardia", _never):
        return make(*items)


def _never(_recording: Recording) -> bool:
    return False
