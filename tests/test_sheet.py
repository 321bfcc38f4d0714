"""A recording on millimetre paper: true to the millimetre, in the place where a clinician looks for it."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ecg
from pages_made import recording, sheet_of, spikes
from pages_read import MILLIMETRES, SVG, lines, texts

from heartbeats.reports.ecg_page import Reading, ecg_page, read
from heartbeats.reports.findings import rhythm
from heartbeats.reports.layout import LEFT, lay_out, lead_of, trace
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import Sheet, Track, leaving


def test_the_sheet_is_as_wide_as_it_says():
    sheet = sheet_of(recording())
    root = ElementTree.fromstring(sheet.svg("an ECG"))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert (width * MILLIMETRES, height * MILLIMETRES) == (pytest.approx(275), pytest.approx(sheet.height))
    assert float(re.search(r"max-width:([\d.]+)in", root.get("style", ""))[1]) * 25.4 == pytest.approx(275, abs=0.01)
    assert "width: 275mm" in ecg_page(Reading(recording(), rhythm(recording())))


@pytest.mark.parametrize("spacing", [1, 5])
def test_the_grid_is_one_and_five_millimetres(spacing):
    grid = lines(sheet_of(recording()))[f"grid-{spacing}"]
    across = [line[0, 0] for line in grid if line[0, 0] == line[-1, 0]]
    down = [line[0, 1] for line in grid if line[0, 1] == line[-1, 1]]
    assert np.diff(across) == pytest.approx(spacing, abs=0.01)
    assert np.diff(down) == pytest.approx(spacing, abs=0.01)
    assert len(across) == 275 / spacing + 1
    assert len(down) == 140 / spacing + 1


def test_the_calibration_pulse_is_one_millivolt_for_a_fifth_of_a_second():
    drawn = lines(sheet_of(recording()))
    pulses = [pulse for name in drawn if name.startswith("calibration") for pulse in drawn[name]]
    assert len(pulses) == 4
    for x, y in (pulse.T for pulse in pulses):
        top = y < y.min() + 0.01
        assert np.ptp(x[top]) == pytest.approx(5, abs=0.01)
        assert np.ptp(y) == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("sampling_rate", [100, 257, 500, 1000])
def test_seconds_and_millivolts_are_millimetres_on_paper(sampling_rate):
    times = [1.0, 1.8, 3.2, 4.0, 6.0, 9.0]
    sheet = sheet_of(recording(spikes(times, sampling_rate=sampling_rate), sampling_rate=sampling_rate))
    (points,) = lines(sheet)["rhythm-II-0"]
    x, y = points.T
    peaks = x[y < y.max() - 9]
    assert y.max() - y.min() == pytest.approx(10, abs=0.05)
    assert peaks == pytest.approx(LEFT + 25 * np.round(np.array(times) * sampling_rate) / sampling_rate, abs=0.05)
    assert y.max() == pytest.approx(sheet.strips[-1].y, abs=0.02)


def test_columns_go_on_where_the_one_before_ends():
    sheet = sheet_of(recording(spikes([1.0, 3.0, 6.0, 8.0])))
    drawn = lines(sheet)
    for name, second in (("I-0", 1.0), ("aVR-2.5", 3.0), ("V1-5", 6.0), ("V4-7.5", 8.0)):
        x, y = drawn[f"strip-{name}"][0].T
        assert x[y.argmin()] == pytest.approx(LEFT + 25 * second, abs=0.05)


def test_the_leads_stand_where_a_clinician_looks_for_them():
    strips = lay_out(recording())
    rows = [[s.lead for s in sorted(strips, key=lambda s: s.x) if s.y == y] for y in sorted({s.y for s in strips})]
    assert rows == [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]]
    assert {s.seconds for s in strips[:-1]} == {2.5}
    assert strips[-1].seconds == 10


def test_a_recording_shorter_than_the_sheet_shows_the_start_of_every_lead():
    assert {strip.start for strip in lay_out(recording(ecg(seconds=9) / 1000))} == {0}


def test_few_leads_have_the_whole_width_and_the_rhythm_strip_is_last():
    strips = lay_out(recording(leads=("II", "V5")))
    assert [(strip.lead, strip.seconds) for strip in strips] == [("V5", 10), ("II", 10)]
    assert [strip.lead for strip in lay_out(recording(leads=("MLII", "V1")))] == ["V1", "MLII"]


def test_what_is_drawn_is_the_recording_as_recorded_around_its_median():
    shown = recording(ecg(sampling_rate=257) / 1000 + 3.0, sampling_rate=257)
    strip = lay_out(shown)[-1]
    x, y = trace(shown, strip)
    lead = shown.signal[1][: len(x)]
    assert np.diff(x) == pytest.approx(25 / 257)
    assert (strip.y - y) / 10 == pytest.approx(lead - np.median(lead))
    assert "each strip around its median" in texts(sheet_of(shown))[-2]


def test_missing_samples_are_no_ecg_as_recorded(write_record):
    signal = ecg()
    signal[1, 1000:2100] = signal[3] = -(2**15)
    reading = read(write_record(signal=signal, fmt="16"))
    sheet = reading.sheets()[0]
    said = texts(sheet)
    assert said.count("II: gaps bridged") == 2  # in its column, and as the rhythm strip
    assert "aVR: no samples" in said
    assert {"I", "aVL", "V6"} <= set(said)
    assert "as recorded but for missing samples," in said[-2]
    assert "strip-aVR-2.5" not in lines(sheet)
    assert not any("has gaps" in sentence for sentence in (*said, *reading.notes()))  # lead I, of the R peaks, is whole
    page = ecg_page(reading)
    assert "as recorded but for missing samples:" in page
    assert "it is no pause of the heart" in page
    assert "Flat from beginning to end" not in page
    whole = read(write_record())
    assert "· as recorded, each strip" in texts(whole.sheets()[0])[-2]
    assert "missing samples" not in ecg_page(whole)


def test_a_computed_lead_has_the_gaps_of_those_that_it_is_computed_from(write_record):
    leads = ("I", "II", "V1", "V2", "V3", "V4")
    signal = ecg(leads=6)
    signal[0, 1000:1100] = -(2**15)
    gaps = texts(read(write_record(signal=signal, leads=leads, fmt="16")).sheets()[0])
    assert any(text.endswith("; lead I has gaps") for text in gaps)
    assert {"I: gaps bridged", "II", "III (computed): gaps bridged", "aVR (computed): gaps bridged", "V1"} <= set(gaps)
    signal[1] = -(2**15)
    empty = texts(read(write_record(signal=signal, leads=leads, fmt="16")).sheets()[0])
    assert {"I: gaps bridged", "II: no samples", "III: no samples", "aVF: no samples", "V5: not recorded"} <= set(empty)


def test_limb_leads_that_were_not_recorded_are_those_of_einthoven_and_goldberger():
    one, two = ecg(leads=2) / 1000
    shown = recording(np.vstack([one, two]), leads=("I", "II"))
    limb = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    for lead, expected in limb.items():
        values, sources = lead_of(shown, lead)
        assert values == pytest.approx(expected)
        assert sources == ("I", "II")
    assert lead_of(shown, "V1") == (None, ())
    others = recording(np.vstack([two, two - one]), leads=("II", "III"))
    values, sources = lead_of(others, "I")
    assert values == pytest.approx(one)
    assert sources == ("II", "III")
    assert lead_of(recording(np.vstack([two]), leads=("II",)), "I") == (None, ())


def test_a_trace_that_leaves_the_paper_is_named_and_cut():
    signal = spikes([1.0])
    signal[9, 4000] = 1e9
    sheet = sheet_of(recording(signal))
    assert leaving(sheet) == ["V4"]
    assert leaving(sheet_of(recording())) == []
    for points in lines(sheet)["strip-V4-7.5"]:
        assert points[:, 1].min() > -10


def test_r_peaks_stand_under_the_rhythm_strip_with_the_intervals_between():
    sheet = sheet_of(recording())
    assert texts(sheet).count("1.00") == len(sheet.peaks) - 1 == 9


@pytest.mark.parametrize("start", [0.0, 10.0])
def test_bars_of_the_track_stand_under_the_seconds_that_they_explain(start):
    values = np.zeros(500)
    values[round((start + 4) / BIN)] = 0.2
    shown = recording(ecg(seconds=20) / 1000)
    sheet = Sheet(shown, lay_out(shown, start=start), (("a", "b"),) * 3, np.empty(0), Track(values, BIN, "caption"))
    svg = ElementTree.fromstring(sheet.svg("an ECG"))
    (bars,) = [path.get("d") for path in svg.iter(f"{SVG}path") if "#0b57a4" in path.get("style", "")]
    x, y = MILLIMETRES * np.array(re.findall(r"[\d.]+", bars), float).reshape(-1, 2).T
    tall = x[y < y.max() - 5]
    assert (tall.min(), tall.max()) == (pytest.approx(LEFT + 100, abs=0.02), pytest.approx(LEFT + 101, abs=0.02))
