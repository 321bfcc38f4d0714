"""Options, settings and result files of the experiments' commands."""

import argparse
import dataclasses
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from heartbeats import __version__
from heartbeats.common.console import path_argument
from heartbeats.common.files import csv_text, write_text
from heartbeats.common.settings import Settings, SettingsError, read_settings, settings_from_dict

RESUME = "interrupted; run the same command again to resume"


def options_parser(module: str, description: str | None, *, sets: bool = True) -> argparse.ArgumentParser:
    """Return a parser of the options that all experiments have, with or without those of the sets to score."""
    raw = argparse.RawDescriptionHelpFormatter
    program = f"python -m heartbeats.experiments.{module}"
    parser = argparse.ArgumentParser(prog=program, description=description, formatter_class=raw)
    parser.add_argument("data", type=path_argument, metavar="DATA", help="folder of Challenge recordings")
    parser.add_argument("out", type=path_argument, metavar="OUT", help="folder for models and results")
    if sets:
        parser.add_argument("--leave-out", metavar="SOURCE", help="a source of DATA: score it, do not train on it")
        parser.add_argument(
            "--external", type=path_argument, action="append", default=[], metavar="FOLDER", help="recordings to score"
        )
    parser.add_argument("--config", type=path_argument, help="settings that differ from the paper's (TOML)")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one setting")
    return parser


def baseline_settings(options: argparse.Namespace) -> Settings:
    """Return the settings of ``--config`` with the changes of ``--set`` and ``--leave-out``.

    Raises:
        SettingsError: the settings are wrong.
    """
    settings = with_changes(read_settings(options.config) if options.config else Settings(), options.set)
    return leaving_out(getattr(options, "leave_out", None), settings)


def leaving_out(source: str | None, settings: Settings) -> Settings:
    """Return settings that do not train on a source.

    Raises:
        SettingsError: the source is unknown, or the settings name a seed.
    """
    if settings.training.seed or settings.cohort.seed:
        raise SettingsError("training.seed, cohort.seed: an experiment uses the seeds 0, 1, ...; give --seeds instead")
    excluded = (*settings.cohort.excluded_sources, *([source] if source else []))
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


def _without_folder(word: str) -> str:
    """Return an argument with the names of paths instead of the paths."""
    name, equals, path = word.rpartition("=")
    return f"{name}{equals}{Path(path).resolve().name}" if Path(path).exists() else word


def write_results(
    module: str,
    title: str,
    arguments: Sequence[str],
    out: Path,
    made: str,
    csv: Sequence[Mapping[str, object]],
    tables: Mapping[str, Sequence[Sequence[str]]],
) -> None:
    """Write the CSV file and the Markdown file of an experiment, and print the Markdown.

    Args:
        module: of the command.
        title: the heading of the Markdown file.
        arguments: of the command. Paths are written without their folders.
        out: where to write.
        made: explains the figures.
        csv: its rows, with the same columns.
        tables: for each set of recordings, the heading row and the other rows of a table.
    """
    words = shlex.join(map(_without_folder, arguments))
    lines = [f"# {title}", "", f"    python -m heartbeats.experiments.{module} {words}", ""]
    lines += [f"{datetime.now(UTC):%Y-%m-%d}, HeartBeats {__version__}; {made}"]
    for name, rows in tables.items():
        heading, *others = (f"| {' | '.join(row)} |" for row in rows)
        lines += ["", f"## {name[0].upper()}{name[1:]} recordings", "", heading, "|" + " --- |" * len(rows[0]), *others]
    write_text(out / f"{module}.csv", csv_text([*csv[0]], [[*row.values()] for row in csv]))
    write_text(out / f"{module}.md", "\n".join(lines) + "\n")
    print("\n".join(lines))
