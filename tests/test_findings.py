"""What is said of a recording: what was decided, by the words; what moved the networks, by the numbers."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from heartbeats.classification.classifier import Evidence, decide
from pages_made import recording

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, NAMES, SINUS_RHYTHM, read_weights
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.recording import RecordingError, read_recording
from heartbeats.preparation.prepared import prepare_recording
from heartbeats.reports import findings, saliency
from heartbeats.reports.findings import compare, explain, reasons, rhythm
from heartbeats.reports.saliency import BIN, integrated_gradients

BRADY, SNR, AF, RBBB = (CLASSES.index(code) for code in (BRADYCARDIA, SINUS_RHYTHM, "164889003", "59118001"))


def probabilities(**chosen: float) -> np.ndarray:
    values = np.full(27, 0.1)
    for name, p in chosen.items():
        values[{"brady": BRADY, "snr": SNR, "af": AF, "rbbb": RBBB}[name]] = p
    return values


@pytest.mark.parametrize("brady", [0.1, 0.61])
@pytest.mark.parametrize("af", [0.1, 0.5])
@pytest.mark.parametrize("slow", [0, 3, 8, 11])
@pytest.mark.parametrize("settings", [DecisionSettings(), DecisionSettings(False, False), DecisionSettings(pvc="unet")])
def test_the_words_say_what_was_decided(brady, af, slow, settings):
    p = probabilities(brady=brady, af=af)
    intervals = np.array([1.2] * slow + [0.8] * (11 - slow))
    evidence = Evidence(np.array([slow >= 5.5]), np.array([False]) if settings.pvc == "unet" else None)
    labels = decide(p[None], evidence, 0.24, settings)[0]
    said = " ".join(reasons(p, evidence, intervals, 0.24, settings))
    assert ("taken back" in said) == (brady >= 0.24 and not labels[BRADY])
    assert ("kept" in said) == (settings.bradycardia_rule and bool(labels[BRADY]))
    assert ("fallback answers sinus rhythm (NSR 0.100)" in said) == bool(labels[SNR])
    assert ("U-Net" in said) == (settings.pvc == "unet")
    assert ("Nothing is answered" in said) == (not labels.any())
    assert (f"{slow} of 11 R-R intervals" in said) == settings.bradycardia_rule


def test_the_sentence_of_the_bradycardia_rule():
    intervals = np.array([1.2] * 3 + [0.8] * 8)
    said = reasons(probabilities(brady=0.61), Evidence(np.array([False])), intervals, 0.24, DecisionSettings())
    assert (
        "Brady 0.610 ≥ 0.24, but the rule: 3 of 11 R-R intervals between 1 and 1.6 s, fewer than half: taken back."
        in said
    )


def test_an_answer_is_compared_in_the_classes_as_they_are_scored():
    labels = np.zeros(27, bool)
    labels[[RBBB, AF]] = True
    compared = compare(labels, probabilities(rbbb=0.8, af=0.6), ("713427006", SINUS_RHYTHM, "233917008"))
    assert (compared.agreed, compared.missed, compared.extra) == (("CRBBB/RBBB",), ("NSR",), ("AF",))
    assert compared.unscored == ("233917008",)
    # As the scorers take it: of a pair's probabilities, here 0.8 and 0.1, the mean.
    expected = -(np.log(0.45) + np.log(0.1) + np.log(0.4) + 21 * np.log(0.9)) / 24
    assert compared.cross_entropy == pytest.approx(expected)


def test_a_later_challenge_s_weights_hold_codes_that_no_output_stands_for(monkeypatch):
    weights = read_weights(Path(__file__).parent / "golden" / "weights_2021.csv")
    assert {"6374002", "733534002"} < {code for codes in weights.classes for code in codes}
    monkeypatch.setattr(findings, "read_weights", lambda: weights)
    labels = np.zeros(27, bool)
    labels[[CLASSES.index("164909002"), AF]] = True
    compared = compare(labels, np.full(27, 0.1), ("164909002", "6374002", SINUS_RHYTHM))
    assert (compared.agreed, compared.missed, compared.extra) == (("LBBB",), ("NSR",), ("AF",))
    assert compared.unscored == ("6374002",)
    assert np.isfinite(compared.cross_entropy)


def test_names_of_diagnoses_are_spelled_as_the_field_does():
    said = " ".join(NAMES.values())
    for name in ("1st degree AV block", "prolonged PR interval", "low QRS voltages", "prolonged QT interval"):
        assert name in said
    assert {"T wave abnormal", "T wave inversion", "Q wave abnormal", "sinus rhythm"} <= set(NAMES.values())
    assert not re.search(r"\b(av|pr|qrs|qt|qwave|t)\b", said)


def test_a_header_without_a_scored_diagnosis_is_nothing_to_compare_with():
    assert not compare(np.zeros(27, bool), np.full(27, 0.1), ("233917008",)).labelled


def test_r_peaks_are_those_of_lead_i_and_elsewhere_only_without_them():
    assert rhythm(recording()).lead == "I"
    assert rhythm(recording()).heart_rate == pytest.approx(60, abs=1)
    assert rhythm(recording(leads=("MLII", "V1"))).lead == "MLII"
    flat = rhythm(recording(np.zeros((12, 5000))))
    assert np.isnan(flat.heart_rate)


def test_the_rule_s_intervals_are_those_of_the_leads_that_the_model_reads(classifier):
    shown = recording()
    for leads, said in ((None, "of 9 R-R intervals"), (("II", "V1"), "no R-R interval in lead I")):
        found = explain(shown, rhythm(shown), dataclasses.replace(classifier, leads=leads))
        assert any(said in sentence for sentence in found.reasons)
    with pytest.raises(RecordingError, match="none of the leads"):
        explain(shown, rhythm(shown), dataclasses.replace(classifier, leads=("vx",)))


def test_integrated_gradients_add_up_to_the_probability(classifier, simulated):
    prepared = prepare_recording(read_recording(sorted(simulated.rglob("*.hea"))[0]))
    expected = classifier.probabilities([prepared])[0]
    for code in (SINUS_RHYTHM, BRADYCARDIA):
        found = integrated_gradients(classifier, prepared.signal, code)
        assert found.probability == pytest.approx(expected[CLASSES.index(code)], abs=1e-5)
        assert found.flat + found.track.sum() == pytest.approx(found.probability, abs=0.01)
        assert found.residue == pytest.approx(found.probability - found.flat - found.track.sum())
        assert found.leads.sum() == pytest.approx(found.track.sum())
        assert sum(found.by_lead.values()) == pytest.approx(found.leads.sum())


def test_the_track_has_a_bin_a_millimetre_and_nothing_beyond_what_the_networks_read(classifier):
    prepared = prepare_recording(recording())
    track = integrated_gradients(classifier, prepared.signal, SINUS_RHYTHM).track
    assert track.shape == (10 / BIN,)
    assert track[: round(4 / BIN)].any()
    assert not track[round(4 / BIN) :].any()


def test_steps_are_doubled_while_more_than_a_hundredth_is_left_open(classifier, monkeypatch):
    prepared = prepare_recording(recording())
    assert integrated_gradients(classifier, prepared.signal, SINUS_RHYTHM, steps=2).steps <= saliency.STEPS
    monkeypatch.setattr(saliency, "TOLERANCE", 0.0)
    assert integrated_gradients(classifier, prepared.signal, SINUS_RHYTHM, steps=64).steps == saliency.MOST_STEPS


def test_a_flat_line_moves_nothing(classifier):
    found = integrated_gradients(classifier, np.zeros((8, 5000), np.int16), SINUS_RHYTHM)
    assert not found.track.any()
    assert found.probability == found.flat
