"""Make the page of a training: cohort, learning curves, and scores on the validation recordings.

It needs two files of the model folder, ``model.json`` and ``validation.csv``.
"""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from heartbeats.challenge.diagnoses import SCORED
from heartbeats.challenge.scoring import Submission, submission
from heartbeats.classification.decision import decide
from heartbeats.common.files import write_text
from heartbeats.common.settings import DecisionSettings, Settings, settings_from_dict
from heartbeats.preparation.bradycardia import BRADY_INTERVAL
from heartbeats.reports.page import chart, number, render
from heartbeats.reports.score_report import evaluation
from heartbeats.training.validation_table import VALIDATION_FILE, Validation, read_validation

log = logging.getLogger("heartbeats.reports")


def write_training_report(model_directory: Path) -> None:
    """Write ``report.html`` into a complete model folder, unless it exists. Raises what the page raises."""
    if not (path := model_directory / "report.html").exists():
        write_text(path, training_report(model_directory))
        log.info("report written to %s", path)


def training_report(model_directory: Path) -> str:
    """Return the page of a complete model folder.

    Raises:
        OSError: one of the two files cannot be read.
        HeartBeatsError: ``validation.csv`` is damaged.
    """
    model = json.loads((model_directory / "model.json").read_text(encoding="utf-8"))
    abbreviations = model["class_table"]["abbreviations"]
    own = tuple(abbreviations) != SCORED.abbreviations
    validation = read_validation(model_directory / VALIDATION_FILE, abbreviations)
    measure = "mean F-measure" if own else "challenge score"
    settings = settings_from_dict(model["settings"])
    training = model["training"]
    return render(
        "training_report.html",
        **({"evaluation": None, "steps": None} if own else _scored(validation, model["threshold"], settings.decision)),
        own=own,
        measure=measure,
        scores=model.get("validation_scores"),
        threshold=model["threshold"],
        search=_search(model, measure),
        cohort=_cohort(model["cohort"]),
        curves=_curves(training["epochs"]),
        interval=BRADY_INTERVAL,
        relabelling=settings.relabelling,
        relabelled=model["cohort"]["training"]["sources"].get("cpsc", 0),
        added=sorted(model["relabelling"]["added"].items(), key=lambda item: -item[1]),
        settings=_settings(settings),
        time=timedelta(seconds=round(training["seconds"])),
        versions={"device": training["device"], "processes": training["processes"]} | model["versions"],
    )


def _scored(validation: Validation, threshold: float, decision: DecisionSettings) -> dict[str, Any]:
    """Return the evaluation, and the challenge score after each step of the decision."""
    if not validation.names:
        return {"evaluation": None, "steps": None}

    def scored(**changed: Any) -> Submission:
        labels = decide(validation.probabilities, validation.evidence, threshold, replace(decision, **changed))
        return submission(validation.names, validation.labels, labels, validation.probabilities)

    steps = {
        "networks and threshold": scored(bradycardia_rule=False, sinus_rhythm_fallback=False),
        "bradycardia rule": scored(sinus_rhythm_fallback=False),
        "sinus rhythm fallback": scored(),
    }
    scores = [(step, answers.score().challenge_metric) for step, answers in steps.items()]
    return {"evaluation": evaluation(scored()), "steps": scores}


def _cohort(cohort: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of training and validation recordings."""
    parts, sources = (cohort["training"], cohort["validation"]), cohort["particulars"]
    classes = []
    for name in cohort["training"]["classes"]:
        by_source = [sum(part["labels"].get(source, {}).get(name, 0) for part in parts) for source in sources]
        classes.append((name, *(part["classes"][name] for part in parts), *by_source))
    return {
        "counts": [sum(part["sources"].values()) for part in parts],
        "sources": [
            (source, *(part["sources"].get(source, 0) for part in parts), *_particulars(facts))
            for source, facts in sources.items()
        ],
        "classes": sorted(classes, key=lambda row: -row[1] - row[2]),
        "class_heads": ["class", "training", "validation", *sources],
        "named": {"Left out": cohort["left_out"], "Used with a warning": cohort["warned"]},
    }


def _particulars(facts: dict[str, dict[str, int]]) -> tuple[str, str, str, str]:
    """Return a source's sampling rates, lengths, ages and share of women as short texts."""
    rates = ", ".join(f"{rate} Hz ({count})" for rate, count in facts["sampling_rates"].items())
    women, men = facts["sexes"].get("Female", 0), facts["sexes"].get("Male", 0)
    share = f"{100 * women / (women + men):.0f} %" if women + men else "unknown"
    return rates, _range(facts["seconds"], " s"), _range(facts["ages"]), share


def _range(counts: dict[str, int], unit: str = "") -> str:
    """Return median and range of counted values in words."""
    values = [float(value) for value, n in counts.items() if value != "unknown" for _ in range(n)]
    return f"{np.median(values):g}{unit} ({min(values):g} to {max(values):g})" if values else "unknown"


def _curves(epochs: list[dict[str, Any]]) -> list[tuple[str, Markup]]:
    """Return title and learning curve of each network. All curves have the same scale."""
    highest = max((line["loss"] for line in epochs if np.isfinite(line["loss"])), default=1.0)
    curves = []
    for name in dict.fromkeys(line["network"] for line in epochs):
        lines = [(line["loss"], line["learning_rate"]) for line in epochs if line["network"] == name]
        losses, rates = np.array(lines).T
        count = len(losses)
        first_epochs = np.flatnonzero(np.append(1, np.diff(rates)))  # of each learning rate
        steps = len(first_epochs) < count / 2  # one cycle has a rate for each epoch
        marks = [(i + 0.5, f"rate {rates[i]:g}") for i in first_epochs] if steps else []
        said = f"Network {name}: loss {losses[0]:.4f} in the first epoch, {losses[-1]:.4f} in epoch {count}."
        scale: dict[str, Any] = {
            "xlim": (0.5, count + 0.5),
            "xticks": range(1, count + 1, 1 + count // 10),
            "ylim": (0, 1.05 * highest),
        }
        curve = chart(np.arange(1, count + 1), losses, said, marks, xlabel="epoch", ylabel="mean loss", **scale)
        curves.append((name, curve))
    return curves


def _search(model: dict[str, Any], measure: str) -> Markup | None:
    """Return the chart of the threshold search, or ``None`` if no threshold has a score."""
    thresholds, scores = (np.array(values, dtype=np.float64) for values in model["threshold_search"].values())
    if np.isnan(scores).all():
        return None
    chosen = model["threshold"]
    description = (
        f"{measure.capitalize()} of each threshold: the highest is {number(np.nanmax(scores))} at {chosen:.2f}."
    )
    marks = [(chosen, f"{chosen:.2f}")]
    return chart(thresholds, scores, description, marks, xlabel="threshold", ylabel=measure, xlim=(0, 1))


def _settings(settings: Settings) -> list[tuple[str, str, str]]:
    """Return each setting, its value, and the paper's value where it differs."""
    paper = Settings().to_dict()
    return [
        (f"{table}.{key}", json.dumps(value), "" if value == paper[table][key] else json.dumps(paper[table][key]))
        for table, values in settings.to_dict().items()
        for key, value in values.items()
    ]
