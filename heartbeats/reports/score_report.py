"""The page of ``evaluate_model.py --report``: what a submission's outputs are worth, in figures and pictures."""

from __future__ import annotations

from pathlib import Path

from heartbeats.challenge.scoring import Submission
from heartbeats.reports.evaluation import evaluation
from heartbeats.reports.page import render

__all__ = ["score_report"]


def score_report(submission: Submission, labels: Path, outputs: Path) -> str:
    """The page of a submission with at least one recording.

    Args:
        labels: the folder of headers, for the page to name.
        outputs: the folder of output files.
    """
    return render("score_report.html", labels=labels, outputs=outputs, evaluation=evaluation(submission))
