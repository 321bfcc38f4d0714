"""The findings of a recording: reasons match the decision, and the saliency adds up to the probability."""

import dataclasses
import re

import numpy as np
import pytest
from pages import recording

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, NAMES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import ensemble
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.recording import RecordingError, read_recording
from heartbeats.preparation.prepared import prepare
from heartbeats.reports import saliency
from heartbeats.reports.findings import compare, explain, reasons, rhythm
from heartbeats.reports.saliency import BIN, integrated_gradients

BRADY, SNR, AF, RBBB = (CLASSES.index(code) for code in (BRADYCARDIA, SINUS_RHYTHM, "164889003", "59118001"))


@pytest.mark.parametrize("brady", [0.1, 0.61])
@pytest.mark.parametrize("af", [0.1, 0.5])
@pytest.mark.parametrize("slow", [0, 3, 8, 11])
@pytest.mark.parametrize("settings", [DecisionSettings(), DecisionSettings(False, False), DecisionSettings(pvc="unet")])
def test_reasons_match_the_decision(brady, af, slow, settings):
    p = np.full(27, 0.1)
    p[[BRADY, AF]] = brady, af
    intervals = np.array([1.2] * slow + [0.8] * (11 - slow))
    evidence = Evidence(np.array([slow >= 5.5]), np.array([False]) if settings.pvc == "unet" else None)
    labels = decide(p[None], evidence, 0.24, settings)[0]
    said = " ".join(reasons(p, evidence, intervals, 0.24, settings))
    assert ("rule removes Brady" in said) == (brady >= 0.24 and not labels[BRADY])
    assert ("rule keeps Brady" in said) == (settings.bradycardia_rule and bool(labels[BRADY]))
    assert ("fallback answers sinus rhythm (NSR 0.100)" in said) == bool(labels[SNR])
    assert ("U-Net" in said) == (settings.pvc == "unet")
    assert ("the answer is empty" in said) == (not labels.any())
    assert (f"{slow} of 11 R-R intervals" in said) == settings.bradycardia_rule


def test_equivalent_diagnoses_are_compared_as_one_class():
    labels = np.zeros(27, bool)
    labels[[RBBB, AF]] = True
    assert compare(labels, ("713427006", SINUS_RHYTHM, "233917008")) == {
        "agreed": ["CRBBB|RBBB"],
        "missed": ["NSR"],
        "extra": ["AF"],
        "not scored": ["233917008"],
    }


def test_names_of_diagnoses_have_the_usual_capitals():
    said = " ".join(NAMES.values())
    assert {"1st degree AV block", "low QRS voltages", "Q wave abnormal", "sinus rhythm"} <= set(NAMES.values())
    assert not re.search(r"\b(av|pr|qrs|qt|qwave|t)\b", said)


def test_r_peaks_come_from_lead_i_or_else_from_the_rhythm_strip():
    assert (rhythm(recording()).lead, rhythm(recording()).heart_rate) == ("I", "60 /min")
    assert rhythm(recording(leads=("MLII", "V1"))).lead == "MLII"
    assert rhythm(recording(np.zeros((12, 5000)))).heart_rate == "heart rate unknown"


def test_the_rule_counts_intervals_of_the_leads_that_the_model_reads(classifier):
    for leads, said in ((None, "of 9 R-R intervals"), (("II", "V1"), "0 of 0 R-R intervals")):
        found = explain(recording(), dataclasses.replace(classifier, leads=leads))
        assert any(said in sentence for sentence in found.reasons)
    with pytest.raises(RecordingError, match="none of the leads"):
        explain(recording(), dataclasses.replace(classifier, leads=("vx",)))


def test_integrated_gradients_add_up_to_the_probability(classifier, simulated):
    prepared = prepare(read_recording(sorted(simulated.rglob("*.hea"))[0]))
    expected = ensemble(classifier.members, [prepared])[0]
    for code in (SINUS_RHYTHM, BRADYCARDIA):
        found = integrated_gradients(classifier, prepared.signal, code)
        assert found.probability == pytest.approx(expected[CLASSES.index(code)], abs=1e-5)
        assert found.flat + found.track.sum() == pytest.approx(found.probability, abs=0.01)
        assert sum(found.leads.values()) == pytest.approx(found.track.sum())


def test_the_track_ends_where_the_networks_stop_reading(classifier):
    prepared = prepare(recording())
    track = integrated_gradients(classifier, prepared.signal, SINUS_RHYTHM).track
    assert track.shape == (10 / BIN,)
    assert track[: round(4 / BIN)].any()
    assert not track[round(4 / BIN) :].any()


def test_more_points_are_used_while_the_residue_is_too_large(classifier, monkeypatch):
    monkeypatch.setattr(saliency, "TOLERANCE", 0.0)
    found = integrated_gradients(classifier, prepare(recording()).signal, SINUS_RHYTHM)
    assert found.points == saliency.POINTS[-1]
