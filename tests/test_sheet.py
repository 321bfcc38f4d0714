"""ECG paper: the drawing is true to the millimetre, and leads stand where a clinician looks for them."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ecg
from pages_made import recording, sheet_of, spikes
from pages_read import MILLIMETRES, SVG, lines, texts

from heartbeats.reports.ecg_page import ecg_page, notes, read
from heartbeats.reports.layout import LEFT, lay_out, lead_of, trace
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import sheets


def test_a_sheet_is_275_millimetres_wide():
    sheet = sheet_of(recording())
    root = ElementTree.fromstring(sheet.svg("an ECG"))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert (width * MILLIMETRES, height * MILLIMETRES) == (pytest.approx(275), pytest.approx(sheet.height))
    assert float(re.search(r"max-width:([\d.]+)in", root.get("style", ""))[1]) * 25.4 == pytest.approx(275, abs=0.01)
    assert "width: 275mm" in ecg_page(sheet.reading)


@pytest.mark.parametrize("spacing", [1, 5])
def test_the_grid_is_one_and_five_millimetres(spacing):
    drawn = lines(sheet_of(recording()))
    across, down = (drawn[f"grid-{spacing}-{way}"] for way in ("across", "down"))
    assert np.diff([line[0, 0] for line in across]) == pytest.approx(spacing, abs=0.01)
    assert np.diff([line[0, 1] for line in down]) == pytest.approx(spacing, abs=0.01)
    assert (len(across), len(down)) == (275 / spacing + 1, 140 / spacing + 1)


def test_the_calibration_pulse_is_1_mv_for_200_ms():
    drawn = lines(sheet_of(recording()))
    pulses = [pulse for name in drawn if name.startswith("calibration") for pulse in drawn[name]]
    assert len(pulses) == 4
    for x, y in (pulse.T for pulse in pulses):
        assert np.ptp(x[y < y.min() + 0.01]) == pytest.approx(5, abs=0.01)
        assert np.ptp(y) == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("sampling_rate", [100, 257, 500, 1000])
def test_seconds_and_millivolts_are_true_on_paper(sampling_rate):
    times = [1.0, 1.8, 3.2, 4.0, 6.0, 9.0]
    sheet = sheet_of(recording(spikes(times, sampling_rate=sampling_rate), sampling_rate=sampling_rate))
    (points,) = lines(sheet)["rhythm-II-0"]
    x, y = points.T
    peaks = x[y < y.max() - 9]
    assert y.max() - y.min() == pytest.approx(10, abs=0.05)
    assert peaks == pytest.approx(LEFT + 25 * np.round(np.array(times) * sampling_rate) / sampling_rate, abs=0.05)
    assert y.max() == pytest.approx(sheet.strips[-1].y, abs=0.02)


def test_a_column_begins_where_the_one_before_it_ends():
    drawn = lines(sheet_of(recording(spikes([1.0, 3.0, 6.0, 8.0]))))
    for name, second in (("I-0", 1.0), ("aVR-2.5", 3.0), ("V1-5", 6.0), ("V4-7.5", 8.0)):
        x, y = drawn[f"strip-{name}"][0].T
        assert x[y.argmin()] == pytest.approx(LEFT + 25 * second, abs=0.05)


def test_twelve_leads_stand_in_the_usual_order():
    strips = lay_out(recording())
    rows = [[s.lead for s in sorted(strips, key=lambda s: s.x) if s.y == y] for y in sorted({s.y for s in strips})]
    assert rows == [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]]
    assert {s.seconds for s in strips[:-1]} == {2.5}
    assert strips[-1].seconds == 10


def test_a_recording_shorter_than_10_s_shows_the_start_of_every_lead():
    assert {strip.start for strip in lay_out(recording(ecg(seconds=9) / 1000))} == {0}


def test_few_leads_have_the_whole_width_and_the_rhythm_strip_is_last():
    strips = lay_out(recording(leads=("II", "V5")))
    assert [(strip.lead, strip.seconds) for strip in strips] == [("V5", 10), ("II", 10)]
    assert [strip.lead for strip in lay_out(recording(leads=("MLII", "V1")))] == ["V1", "MLII"]


def test_a_trace_is_the_recorded_signal_around_its_median():
    shown = recording(ecg(sampling_rate=257) / 1000 + 3.0, sampling_rate=257)
    strip = lay_out(shown)[-1]
    x, y = trace(shown, strip)
    lead = shown.signal[1][: len(x)]
    assert np.diff(x) == pytest.approx(25 / 257)
    assert (strip.y - y) / 10 == pytest.approx(lead - np.median(lead))


def test_leads_with_missing_samples_are_marked(write_record):
    signal = ecg()
    signal[1, 1000:2100] = signal[3] = -(2**15)
    reading = read(write_record(signal=signal, fmt="16"))
    said = texts(sheets(reading)[0])
    assert said.count("II: gaps bridged") == 2  # in its column and in the rhythm strip
    assert {"aVR: no samples", "I", "aVL", "V6"} <= set(said)
    assert not any("has gaps" in sentence for sentence in (*said, *notes(reading)))  # lead I has the R peaks


def test_computed_leads_have_the_gaps_of_their_sources(write_record):
    leads = ("I", "II", "V1", "V2", "V3", "V4")
    signal = ecg(leads=6)
    signal[0, 1000:1100] = -(2**15)
    reading = read(write_record(signal=signal, leads=leads, fmt="16"))
    said = texts(sheets(reading)[0])
    assert "III: computed, gaps bridged" in said
    assert any(text.endswith("; lead I has gaps") for text in said)
    assert any("an R-R interval across a gap may be wrong" in note for note in notes(reading))
    signal[1] = -(2**15)
    empty = texts(sheets(read(write_record(signal=signal, leads=leads, fmt="16")))[0])
    assert {"I: gaps bridged", "II: no samples", "III: no samples", "aVF: no samples", "V5: not recorded"} <= set(empty)


def test_missing_limb_leads_are_computed():
    one, two = ecg(leads=2) / 1000
    shown = recording(np.vstack([one, two]), leads=("I", "II"))
    limb = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    for lead, expected in limb.items():
        values, remark = lead_of(shown, lead)
        assert values == pytest.approx(expected)
        assert remark == "computed"
    assert lead_of(shown, "V1")[1] == "not recorded"
    assert lead_of(recording(np.vstack([two]), leads=("II",)), "I")[1] == "not recorded"


def test_a_trace_that_leaves_the_paper_is_named_and_cut():
    signal = spikes([1.0])
    signal[9, 4000] = 1e9
    sheet = sheet_of(recording(signal))
    assert sheet.cut() == ["V4"]
    assert sheet_of(recording()).cut() == []
    for points in lines(sheet)["strip-V4-7.5"]:
        assert points[:, 1].min() > -10


def test_r_r_intervals_stand_under_the_rhythm_strip():
    sheet = sheet_of(recording())
    assert texts(sheet).count("1.00") == len(sheet.reading.rhythm.peaks) - 1 == 9


@pytest.mark.parametrize("start", [0.0, 10.0])
def test_bars_of_the_track_stand_under_the_seconds_that_they_explain(start, write_record, classifier):
    reading = read(write_record(signal=ecg(seconds=20)), classifier)
    values = np.zeros(500)
    values[round((start + 4) / BIN)] = 0.2
    saliency = dataclasses.replace(reading.answer.saliency, track=values)
    sheet = sheet_of(reading.recording, start, answer=dataclasses.replace(reading.answer, saliency=saliency))
    svg = ElementTree.fromstring(sheet.svg("an ECG"))
    (bars,) = [path.get("d") for path in svg.iter(f"{SVG}path") if "#0b57a4" in path.get("style", "")]
    x, y = MILLIMETRES * np.array(re.findall(r"[\d.]+", bars), float).reshape(-1, 2).T
    tall = x[y < y.max() - 5]
    assert (tall.min(), tall.max()) == (pytest.approx(LEFT + 100, abs=0.02), pytest.approx(LEFT + 101, abs=0.02))
    assert any(text.endswith("the tallest bar of the recording is 0.2") for text in texts(sheet))
