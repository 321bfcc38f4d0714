"""What an experiment is asked to train and to score: its options, and the plan that they make."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, SettingsError, read_settings, settings_from_dict

__all__ = ["STORE", "Plan", "command", "experiment", "of_experiment", "options_parser", "plan_of", "with_changes"]

STORE = "../prepared"  # the prepared signals, which all seeds share, seen from a model's folder


@dataclass(frozen=True)
class Plan:
    """What is to be trained, and on which sets it is scored.

    Attributes:
        data: the folder of Challenge recordings.
        out: the folder of models and results.
        settings: of the trainings, but for the seed.
        seeds: how many trainings, of the seeds 0, 1, ...
        leave_out: a source of ``data`` that is scored and not trained on.
        external: folders of other recordings that are scored, by their names.
    """

    data: Path
    out: Path
    settings: Settings
    seeds: int
    leave_out: str | None
    external: dict[str, Path]


def options_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The options of the experiments that train once per seed and score several sets."""
    parser = argparse.ArgumentParser(
        prog=f"python -m heartbeats.experiments.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=path_argument, metavar="DATA", help="folder of Challenge recordings")
    parser.add_argument("out", type=path_argument, metavar="OUT", help="folder for models and results")
    parser.add_argument("--leave-out", metavar="SOURCE", help="a source of DATA to score instead of to train on")
    parser.add_argument(
        "--external",
        type=path_argument,
        action="append",
        default=[],
        metavar="FOLDER",
        help="other recordings to score",
    )
    parser.add_argument("--config", type=path_argument, help="settings that differ from the paper's (TOML)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one setting")
    return parser


@contextmanager
def experiment(program: str) -> Iterator[None]:
    """Show the trainings' log on stderr, and say in one line why one cannot be done."""
    log = logging.getLogger("heartbeats")
    log.setLevel(logging.INFO)
    log.addHandler(handler := logging.StreamHandler())
    try:
        with one_line_errors(program, interrupted="interrupted; the same command goes on where it stopped"):
            yield
    finally:
        log.removeHandler(handler)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options ask for.

    Raises:
        SettingsError: the file cannot be read, a setting or its value is none or is not for an experiment, there is no
            seed, or there are two external folders of one name.
    """
    settings = read_settings(options.config) if options.config else Settings()
    settings = of_experiment(with_changes(settings, options.set), options.leave_out)
    if options.seeds < 1:
        raise SettingsError("--seeds must be at least 1")
    external = {_name(folder): folder for folder in options.external}
    if len(external) < len(options.external):
        raise SettingsError("--external: folders are told apart by their names, and two have the same")
    return Plan(options.data, options.out, settings, options.seeds, options.leave_out, external)


def of_experiment(settings: Settings, leave_out: str | None, *, store: str = STORE) -> Settings:
    """Settings with the store that all trainings share, and without a source that is left out of them.

    Raises:
        SettingsError: there is no such source, or the settings name a seed: an experiment's are 0, 1, ...
    """
    if settings.training.seed != Settings().training.seed:
        raise SettingsError("training.seed: an experiment trains with the seeds 0, 1, ...; --seeds says how many")
    cohort = dataclasses.replace(settings.cohort, store=store)
    if leave_out:
        cohort = dataclasses.replace(cohort, excluded_sources=(*cohort.excluded_sources, leave_out))
    return dataclasses.replace(settings, cohort=cohort)


def with_changes(settings: Settings, changes: Iterable[str]) -> Settings:
    """Settings with others in their place, each written as in TOML: TABLE.KEY=VALUE.

    Raises:
        SettingsError: one is no TOML, or no setting.
    """
    tables = settings.to_dict()
    for text in changes:
        try:
            changed = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"--set {text}: {error}; give TABLE.KEY=VALUE, words in quotes") from error
        for table, values in changed.items():
            tables[table] = tables.get(table, {}) | values if isinstance(values, dict) else values
    return settings_from_dict(tables)


def command(module: str, options: argparse.Namespace) -> str:
    """The command that made a result, without the paths of the machine."""
    text = f"python -m heartbeats.experiments.{module} {_name(options.data)} OUT --seeds {options.seeds}"
    text += f" --config {options.config.name}" if options.config else ""
    text += f" --leave-out {options.leave_out}" if options.leave_out else ""
    text += "".join(f" --external {_name(folder)}" for folder in options.external)
    return text + "".join(f" --set '{changed}'" for changed in options.set)


def _name(folder: Path) -> str:
    """A folder's name, also where it is given as "." or with a link."""
    return folder.resolve().name
