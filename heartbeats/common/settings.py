"""All settings of the entry: frozen dataclasses with the paper's values as defaults, read from TOML.

``configs/paper.toml`` lists the defaults. Another file needs only the settings that it changes.
"""

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

from heartbeats.common.errors import HeartBeatsError

SOURCES = ("cpsc", "cpsc_extra", "incart", "ptb", "ptb_xl", "georgia", "chapman_ningbo", "other")  # see ecg.header
LOSSES = ("sign", "bce", "focal")  # the functions of networks.losses
SCHEDULES = ("steps", "one-cycle")
PVC_DECIDERS = ("networks", "unet", "unet-all-leads")
LARGEST = 10**300  # larger integers are not read as floats


class SettingsError(HeartBeatsError, ValueError):
    """A setting is unknown, of the wrong type, or out of range."""


@dataclass(frozen=True)
class CohortSettings:
    """The selection of recordings and their split (paper, section 2.1)."""

    excluded_sources: tuple[str, ...] = ("incart",)
    validation_fraction: float = 0.2
    # Seed of the split into training and validation.
    seed: int = 0
    # The folder of prepared signals: relative to the model folder, or an absolute path that several models share.
    store: str = "prepared"
    # A table of recordings, their patients and, if known, their folds: a CSV file, relative to the data folder.
    # A patient's recordings are on one side of the split.
    groups: str = ""
    # The folds that validate, instead of a fraction, and the folds that neither train nor validate.
    validation_folds: tuple[int, ...] = ()
    test_folds: tuple[int, ...] = ()
    # Unscored SNOMED CT codes that count as PVC in training.
    also_pvc: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(bool(self.store) and "\0" not in self.store, "cohort.store must be the path of a folder")
        _require(0 < self.validation_fraction < 1, "cohort.validation_fraction must be between 0 and 1")
        by_fold = self.validation_folds or self.test_folds
        _require(bool(self.groups) or not by_fold, "cohort.groups must name the table of the folds")
        for source in self.excluded_sources:
            known = source in SOURCES
            _require(known, f"cohort.excluded_sources: unknown source {source!r}; the sources are {', '.join(SOURCES)}")


@dataclass(frozen=True)
class ClassesSettings:
    """What the networks learn."""

    # A table of your own classes: a CSV file, relative to the data folder. Empty: the Challenge's 27.
    file: str = ""


@dataclass(frozen=True)
class PreparationSettings:
    """How a signal is prepared for the networks (paper, section 2.2)."""

    denoising: bool = True


@dataclass(frozen=True)
class NetworkSettings:
    """The SE-ResNet of the paper's Figure 2; ``width`` is the number of channels of the first stage."""

    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    dropout: float = 0.2
    reduction: int = 16
    squeeze_excitation: bool = True
    # 8, or 12 with the limb leads that are computed from I and II.
    leads: int = 8
    # Hz; the network reduces the prepared signals from 500 Hz.
    sampling_rate: int = 500

    def __post_init__(self) -> None:
        _require(self.leads in (8, 12), "network.leads must be 8 or 12")
        _require(self.width >= 1, "network.width must be at least 1")
        divides = self.sampling_rate >= 50 and 500 % self.sampling_rate == 0
        _require(divides, "network.sampling_rate must be 500, 250, 125, 100 or 50")
        _require(min(self.blocks, default=0) >= 1, "network.blocks must have stages of at least one block")
        _require(0 <= self.dropout < 1, "network.dropout must be at least 0 and less than 1")
        _require(
            1 <= self.reduction <= self.width,
            f"network.reduction is {self.reduction} but must be between 1 and network.width, which is {self.width}",
        )


@dataclass(frozen=True)
class TrainingSettings:
    """Optimisation (paper, section 2.4) and the input length of each network in seconds (section 2.2)."""

    seconds: tuple[float, ...] = (30.0, 10.0)
    epochs: int = 19
    batch_size: int = 16
    learning_rate: float = 1e-3
    reduced_learning_rate: float = 1e-4
    # The first epoch, counted from 1, that uses the reduced rate.
    reduced_from_epoch: int = 13
    # "steps" uses the reduced rate from an epoch on; "one-cycle" rises to the rate and falls to 0, in every step.
    schedule: str = "steps"
    loss: str = "sign"
    # Decoupled weight decay (AdamW); with 0 it is Adam.
    weight_decay: float = 0.0
    # The decay per step of a moving average of the weights, which is the trained network; 0 keeps the last weights.
    averaging: float = 0.0
    # Networks of each length, with different random numbers; their probabilities are averaged.
    networks: int = 1
    # Seed of the initial weights, the order of the recordings and dropout.
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.loss in LOSSES, f"training.loss must be one of {', '.join(LOSSES)}")
        _require(self.schedule in SCHEDULES, f"training.schedule must be one of {', '.join(SCHEDULES)}")
        _require(0 <= self.weight_decay < 1, "training.weight_decay must be at least 0 and less than 1")
        _require(0 <= self.averaging < 1, "training.averaging must be at least 0 and less than 1")
        _require(self.networks >= 1, "training.networks must be at least 1")
        _require(len(self.seconds) >= 1, "training.seconds must name at least one length")
        _require(len(set(self.seconds)) == len(self.seconds), "training.seconds must not repeat a length")
        _require(all(1 <= s <= 30 for s in self.seconds), "training.seconds must be between 1 and 30: 30 s are stored")
        _require(self.epochs >= 1 and self.batch_size >= 1, "training.epochs and batch_size must be at least 1")
        rates = (self.learning_rate, self.reduced_learning_rate)
        positive = all(0 < rate < math.inf for rate in rates)
        _require(positive, "training.learning_rate and reduced_learning_rate must be positive numbers")


@dataclass(frozen=True)
class AugmentationSettings:
    """Random changes of the signals in training. The paper has none."""

    # Length of a random part of each signal, in s, that trains instead of the whole; 0 trains on the whole.
    crop: float = 0.0
    # Standard deviation of the logarithm of a factor per recording.
    gain: float = 0.0
    # Share of recordings that keep leads I and II and a random number of the chest leads.
    lead_dropout: float = 0.0
    # Largest shift, in s.
    time_shift: float = 0.0
    # Standard deviation of white noise, in mV.
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            _require(0 <= value < math.inf, f"augmentation.{name} must be at least 0")
        _require(self.lead_dropout <= 1, "augmentation.lead_dropout must be between 0 and 1")


@dataclass(frozen=True)
class RelabellingSettings:
    """How a first network adds missing labels to CPSC recordings (paper, section 2.1)."""

    enabled: bool = True
    seconds: float = 30.0
    probability: float = 0.8

    def __post_init__(self) -> None:
        _require(1 <= self.seconds <= 30, "relabelling.seconds must be between 1 and 30: 30 s are stored")
        _require(0 < self.probability < 1, "relabelling.probability must be between 0 and 1")


@dataclass(frozen=True)
class DecisionSettings:
    """How the ensemble's probabilities become labels (paper, section 2.3)."""

    bradycardia_rule: bool = True
    sinus_rhythm_fallback: bool = True
    # What decides the PVC label: the networks, or the U-Net (paper, Discussion) on lead II or on all leads.
    pvc: str = "networks"

    def __post_init__(self) -> None:
        _require(self.pvc in PVC_DECIDERS, f"decision.pvc must be one of {', '.join(PVC_DECIDERS)}")


@dataclass(frozen=True)
class Settings:
    """All settings; ``Settings()`` is the paper."""

    cohort: CohortSettings = field(default_factory=CohortSettings)
    classes: ClassesSettings = field(default_factory=ClassesSettings)
    preparation: PreparationSettings = field(default_factory=PreparationSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    relabelling: RelabellingSettings = field(default_factory=RelabellingSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings as plain tables, the input of :func:`settings_from_dict`."""
        return dataclasses.asdict(self)


def read_settings(path: Path) -> Settings:
    """Read settings from a TOML file. A missing setting has the paper's value.

    Raises:
        SettingsError: the file cannot be read, is not TOML, or holds a wrong setting.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML settings: {error}") from error
    try:
        return settings_from_dict(tables)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def settings_from_dict(tables: Any) -> Settings:
    """Build settings from plain tables, and check names, types and ranges.

    Raises:
        SettingsError: a setting is wrong; the message names it as ``table.key``.
    """
    if not isinstance(tables, dict):
        raise SettingsError(f"settings must be tables, not {tables!r}")
    sections: dict[str, type] = get_type_hints(Settings)
    built = {}
    for table, values in tables.items():
        if table not in sections:
            raise SettingsError(f"unknown table [{table}]; the tables are {', '.join(sections)}")
        if not isinstance(values, dict):
            raise SettingsError(f"{table} must be a table of settings, like [{table}]")
        hints = get_type_hints(sections[table])
        if unknown := sorted(set(values) - set(hints)):
            raise SettingsError(f"unknown setting {table}.{unknown[0]}; the settings are {', '.join(hints)}")
        built[table] = sections[table](**{k: _converted(v, hints[k], f"{table}.{k}") for k, v in values.items()})
    return Settings(**built)


def _converted(value: Any, kind: Any, key: str) -> Any:
    """Return ``value`` as ``kind``: bool, int, float, str or a tuple of these. An int is valid for a float."""
    if inner := get_args(kind):
        if not isinstance(value, (list, tuple)):
            raise SettingsError(f"{key} must be a list of {inner[0].__name__}, not {value!r}")
        return tuple(_converted(item, inner[0], key) for item in value)
    if kind is float and type(value) is int and abs(value) < LARGEST:
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{key} must be {kind.__name__}, not {value!r}")
    return value


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise SettingsError(message)
