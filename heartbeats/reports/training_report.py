"""The page of a training: who it learned from, how it went, what the model is worth on its validation recordings.

It follows from two files of the model folder alone, ``model.json`` and ``validation.csv``, and can be made again at any
time.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from heartbeats.challenge.diagnoses import ABBREVIATIONS, BRADYCARDIA, CLASSES, SINUS_RHYTHM, read_weights
from heartbeats.challenge.scoring import challenge_metric, merge_equivalent, submission
from heartbeats.classification.classifier import MODEL_FILE, decide
from heartbeats.common.settings import DecisionSettings, Settings, settings_from_dict
from heartbeats.reports.charts import Chart, histogram, learning_curve, threshold_chart
from heartbeats.reports.evaluation import evaluation, number, source_name
from heartbeats.reports.page import render
from heartbeats.training.epoch_log import EpochLine
from heartbeats.training.validation_table import VALIDATION_FILE, Validation, read_validation

__all__ = ["training_report"]

NAMED = 200  # recordings per reason for leaving them out; the rest are counted

Labels = npt.NDArray[np.bool_]


def training_report(model_directory: Path) -> str:
    """The page of a complete model folder.

    Raises:
        OSError: one of its two files is missing or cannot be read.
        ValidationError: ``validation.csv`` is damaged.
    """
    model = json.loads((model_directory / MODEL_FILE).read_text(encoding="utf-8"))
    validation = read_validation(model_directory / VALIDATION_FILE)
    settings = settings_from_dict(model["settings"])
    found: dict[str, Any] = {}
    if validation.names:
        answered = decide(validation.probabilities, validation.evidence, model["threshold"], settings.decision)
        found = {
            "evaluation": evaluation(
                submission(validation.names, validation.labels, answered, validation.probabilities)
            ),
            "steps": _steps(validation, model["threshold"], settings.decision),
        }
    return render(
        "training_report.html",
        threshold=f"{model['threshold']:.2f}",
        training=model["training"] | {"time": _duration(model["training"]["seconds"])},
        versions=model["versions"],
        cohort=_cohort(model["cohort"]),
        curves=_curves([EpochLine(**line) for line in model["training"]["epochs"]]),
        search=_search(model),
        relabelling=_relabelling(model, settings),
        settings=_settings(settings),
        **{"evaluation": None, "steps": None} | found,
    )


def _steps(validation: Validation, threshold: float, decision: DecisionSettings) -> dict[str, Any]:
    """What the bradycardia rule took back, what the fallback gave, how often rightly, and the score after each."""
    without_fallback = dataclasses.replace(decision, sinus_rhythm_fallback=False)
    alone = dataclasses.replace(without_fallback, bradycardia_rule=False)
    plain, ruled, final = (
        decide(validation.probabilities, validation.evidence, threshold, each)
        for each in (alone, without_fallback, decision)
    )
    weights = read_weights()
    true = merge_equivalent(validation.labels, weights)

    def step(name: str, answered: Labels) -> tuple[str, str]:
        return name, number(challenge_metric(true, merge_equivalent(answered, weights), weights))

    brady, sinus = CLASSES.index(BRADYCARDIA), CLASSES.index(SINUS_RHYTHM)
    taken, given = plain[:, brady] & ~ruled[:, brady], final[:, sinus] & ~ruled[:, sinus]
    scores = [step("networks and threshold", plain)]
    if decision.bradycardia_rule:
        scores.append(step("and the bradycardia rule", ruled))
    if decision.sinus_rhythm_fallback:
        scores.append(step("and the sinus rhythm fallback", final))
    return {
        "rule": decision.bradycardia_rule,
        "fallback": decision.sinus_rhythm_fallback,
        "answered": int(plain[:, brady].sum()),
        "taken": int(taken.sum()),
        "taken_rightly": int((taken & ~validation.labels[:, brady]).sum()),
        "given": int(given.sum()),
        "given_rightly": int((given & validation.labels[:, sinus]).sum()),
        "scores": scores,
    }


def _cohort(cohort: dict[str, Any]) -> dict[str, Any]:
    """Tables and pictures of who trains and who validates."""
    parts = (cohort["training"], cohort["validation"])
    sources = list(cohort["particulars"])
    rows = []
    for source in sources:
        facts = cohort["particulars"][source]
        counts = [part["sources"].get(source, 0) for part in parts]
        rows.append((source_name(source), counts, *_particulars(facts)))
    classes = []
    for name in ABBREVIATIONS.values():
        counts = [part["labels"].get(source, {}).get(name, 0) for source in sources for part in parts]
        classes.append((name, [part["classes"][name] for part in parts], counts))
    return {
        "counts": [sum(part["sources"].values()) for part in parts],
        "sources": rows,
        "source_names": [source_name(source) for source in sources],
        "classes": sorted(classes, key=lambda each: -sum(each[1])),
        "charts": [
            _histogram(cohort, "ages", 10, label="years", what="ages"),
            _histogram(cohort, "seconds", 5, label="seconds", what="lengths"),
        ],
        "named": [
            (
                title,
                [(reason, len(names), names[:NAMED], max(0, len(names) - NAMED)) for reason, names in named.items()],
            )
            for title, named in (("Left out", cohort["left_out"]), ("Used with a reservation", cohort["warned"]))
        ],
    }


def _particulars(facts: dict[str, dict[str, int]]) -> tuple[str, str, str, str]:
    """Sampling rates, lengths, ages and sexes of a source in a few words each."""
    rates = ", ".join(
        f"{count} × {rate} Hz" if len(facts["sampling_rates"]) > 1 else f"{rate} Hz"
        for rate, count in facts["sampling_rates"].items()
    )
    lengths, ages = _expanded(facts["seconds"]), _expanded(facts["ages"])
    if not len(lengths):
        length = "unknown"
    elif lengths[0] == lengths[-1]:
        length = f"{lengths[0]:g} s"
    else:
        length = f"{np.median(lengths):g} s ({lengths[0]:g} to {lengths[-1]:g})"
    age = f"{np.median(ages):g} ({ages[0]:g} to {ages[-1]:g})" if len(ages) else "unknown"
    known = sum(facts["sexes"].get(sex, 0) for sex in ("Male", "Female"))
    women = f"{100 * facts['sexes'].get('Female', 0) / known:.0f} %" if known else "unknown"
    return rates, length, age, women


def _expanded(counts: dict[str, int]) -> npt.NDArray[np.float64]:
    """The known values, each as often as it was counted, in rising order."""
    known = {float(value): count for value, count in counts.items() if value != "unknown"}
    return np.repeat(sorted(known), [known[value] for value in sorted(known)])


def _histogram(cohort: dict[str, Any], key: str, width: int, *, label: str, what: str) -> Chart | None:
    """Ages or lengths over all sources; ``None`` where no header tells them."""
    counted: Counter[str] = Counter()
    for facts in cohort["particulars"].values():
        counted.update(facts[key])
    values = _expanded(counted)
    if not len(values):
        return None
    # A half-hour recording would leave no room for the rest.
    shown = values[values <= np.percentile(values, 99.5, method="higher")]
    starts, counts = np.unique(shown // width * width, return_counts=True)
    beyond, unknown = len(values) - len(shown), counted["unknown"]
    description = (
        f"Histogram of {what} of {len(values)} recordings: median {np.median(values):g}, "
        f"half of them between {np.percentile(values, 25):g} and {np.percentile(values, 75):g}."
    )
    told = [f"{beyond} above {shown[-1]:g} not shown" if beyond else "", f"{unknown} unknown" if unknown else ""]
    picture = histogram(starts, counts, width=width, label=label, description=description)
    return Chart(what.capitalize(), picture, ", ".join(filter(None, told)))


def _curves(epochs: list[EpochLine]) -> list[Chart]:
    """A learning curve per network, all of one scale."""
    networks: dict[str, list[EpochLine]] = {}
    for line in epochs:
        networks.setdefault(line.network, []).append(line)
    highest = max((line.loss for line in epochs if math.isfinite(line.loss)), default=1.0)
    curves = []
    for name, lines in networks.items():
        losses, rates = np.array([(line.loss, line.learning_rate) for line in lines]).T
        said = f"loss {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(lines)} epochs"
        description = f"Learning curve of network {name}: {said}."
        curves.append(Chart(name, learning_curve(losses, rates, highest=highest, description=description), said))
    return curves


def _search(model: dict[str, Any]) -> Markup | None:
    """The picture of the threshold search; ``None`` where no threshold had a score."""
    search = model["threshold_search"]
    thresholds, scores = (np.array(search[key], dtype=np.float64) for key in ("thresholds", "challenge_scores"))
    if np.isnan(scores).all():
        return None
    within = thresholds[scores >= np.nanmax(scores) - 0.01]
    description = (
        f"Challenge score over the threshold: highest, {number(np.nanmax(scores))}, at {model['threshold']:.2f}; "
        f"within 0.01 of that from {within[0]:.2f} to {within[-1]:.2f}."
    )
    return threshold_chart(thresholds, scores, model["threshold"], description=description)


def _relabelling(model: dict[str, Any], settings: Settings) -> dict[str, Any]:
    return {
        "enabled": settings.relabelling.enabled,
        "probability": settings.relabelling.probability,
        "recordings": model["cohort"]["training"]["sources"].get("cpsc", 0),
        "added": sorted(model["relabelling"]["added"].items(), key=lambda item: -item[1]),
    }


def _settings(settings: Settings) -> list[tuple[str, str, str]]:
    """Each setting, its value, and the paper's where that is another."""
    paper = Settings().to_dict()
    return [
        (f"{table}.{key}", json.dumps(value), "" if value == paper[table][key] else json.dumps(paper[table][key]))
        for table, values in settings.to_dict().items()
        for key, value in values.items()
    ]


def _duration(seconds: float) -> str:
    """A time in words, to two units."""
    minutes, hours = divmod(round(seconds), 60), divmod(round(seconds / 60), 60)
    if seconds >= 3600:
        return f"{hours[0]} h {hours[1]} min"
    return f"{minutes[0]} min {minutes[1]} s" if seconds >= 60 else f"{seconds:.0f} s"
