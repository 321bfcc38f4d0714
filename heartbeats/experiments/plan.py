"""The options of the experiments, and the plan that they make."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, SettingsError, read_settings, settings_from_dict


@dataclass(frozen=True)
class Plan:
    """The trainings of an experiment and the sets that they are scored on.

    Attributes:
        data: the folder of Challenge recordings.
        out: the folder of models.
        prepared: the folder of prepared signals, which all trainings share.
        settings: of the trainings, except the seed.
        seeds: number of trainings; their seeds are 0, 1, ...
        leave_out: a source of ``data`` that is scored and not trained on.
        external: other folders that are scored, by name.
    """

    data: Path
    out: Path
    prepared: Path
    settings: Settings
    seeds: int
    leave_out: str | None
    external: dict[str, Path]


def options_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all experiments have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m heartbeats.experiments.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=path_argument, metavar="DATA", help="folder of Challenge recordings")
    parser.add_argument("out", type=path_argument, metavar="OUT", help="folder for models and results")
    parser.add_argument("--leave-out", metavar="SOURCE", help="a source of DATA to score instead of to train on")
    parser.add_argument(
        "--external", type=path_argument, action="append", default=[], metavar="FOLDER", help="recordings to score"
    )
    parser.add_argument("--config", type=path_argument, help="settings that differ from the paper's (TOML)")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one setting")
    return parser


@contextmanager
def experiment(module: str) -> Iterator[None]:
    """Show the log of the trainings on stderr, and turn errors into one line."""
    log = logging.getLogger("heartbeats")
    log.setLevel(logging.INFO)
    log.addHandler(handler := logging.StreamHandler())
    try:
        with one_line_errors(module, interrupted="interrupted; run the same command again to resume"):
            yield
    finally:
        log.removeHandler(handler)


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan that the options ask for.

    Raises:
        SettingsError: the settings are wrong, ``--seeds`` is too small, or two external folders have the same name.
    """
    settings = with_changes(read_settings(options.config) if options.config else Settings(), options.set)
    settings = of_experiment(settings, options.leave_out)
    if options.seeds < 1:
        raise SettingsError("--seeds must be at least 1")
    external = {_name(folder): folder for folder in options.external}
    if len(external) < len(options.external):
        raise SettingsError("--external: two folders have the same name; results are listed by name, so rename one")
    out = options.out
    return Plan(options.data, out, out / "prepared", settings, options.seeds, options.leave_out, external)


def of_experiment(settings: Settings, leave_out: str | None) -> Settings:
    """Return settings that do not train on a source.

    Raises:
        SettingsError: there is no such source, or the settings name a seed.
    """
    if settings.training.seed or settings.cohort.seed:
        raise SettingsError("training.seed, cohort.seed: an experiment uses the seeds 0, 1, ...; give --seeds instead")
    excluded = (*settings.cohort.excluded_sources, *([leave_out] if leave_out else []))
    return dataclasses.replace(settings, cohort=dataclasses.replace(settings.cohort, excluded_sources=excluded))


def with_changes(settings: Settings, changes: Iterable[str]) -> Settings:
    """Return settings with changes, each written as in TOML: TABLE.KEY=VALUE.

    Raises:
        SettingsError: a change is not TOML or not a setting.
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


def heading(title: str, module: str, options: argparse.Namespace, settings: Settings, more: str = "") -> list[str]:
    """Return the first lines of a result: title, command without this machine's paths, date and size of the network."""
    text = f"python -m heartbeats.experiments.{module} {_name(options.data)} OUT --seeds {options.seeds}"
    text += f" --config {options.config.name}" if options.config else ""
    text += f" --leave-out {options.leave_out}" if options.leave_out else ""
    text += "".join(f" --external {_name(folder)}" for folder in options.external)
    text += "".join(f" --set '{changed}'" for changed in options.set)
    made = f"{datetime.now(UTC):%Y-%m-%d}; width {settings.network.width}, {settings.training.epochs} epochs."
    return [f"# {title}", "", f"    {text}{more}", "", made]


def _name(folder: Path) -> str:
    """Return the name of a folder, also of "." and of a link."""
    return folder.resolve().name
