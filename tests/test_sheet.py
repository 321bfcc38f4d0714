"""ECG paper: the scale is exact, and the leads are in their usual places."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ecg
from matplotlib.image import imread
from pages import MILLIMETRES, SVG, lines, reading, recording, spikes, texts

from heartbeats.reports.ecg_page import ecg_page, notes, save
from heartbeats.reports.findings import read
from heartbeats.reports.page import picture
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import HEAD, LEFT, MM, draw_sheet, lay_out


def test_a_sheet_is_275_millimetres_wide():
    sheet = draw_sheet(reading(recording()))
    root = ElementTree.fromstring(picture(sheet, "an ECG"))
    size = np.array(root.get("viewBox", "").split(), float)[2:] * MILLIMETRES
    assert size == pytest.approx([275, sheet.get_figheight() / MM], abs=0.01)
    assert float(re.search(r"max-width:([\d.]+)in", root.get("style", ""))[1]) * 25.4 == pytest.approx(275, abs=0.01)
    assert "width: 275mm" in ecg_page(reading(recording()))


def test_grid_and_calibration_pulse_are_true():
    drawn = lines(draw_sheet(reading(recording())))
    for spacing in (1, 5):
        across, down = (drawn[f"grid-{spacing}-{way}"] for way in ("across", "down"))
        assert np.diff([line[0, 0] for line in across]) == pytest.approx(spacing, abs=0.01)
        assert np.diff([line[0, 1] for line in down]) == pytest.approx(spacing, abs=0.01)
        assert (len(across), len(down)) == (275 / spacing + 1, 140 / spacing + 1)
    pulses = [pulse for name in drawn if name.startswith("calibration") for pulse in drawn[name]]
    assert len(pulses) == 4
    for x, y in (pulse.T for pulse in pulses):  # 1 mV for 200 ms
        assert np.ptp(x[y < y.min() + 0.01]) == pytest.approx(5, abs=0.01)
        assert np.ptp(y) == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("sampling_rate", [100, 257, 500, 1000])
def test_seconds_and_millivolts_are_true_on_paper(sampling_rate):
    times = [1.0, 1.8, 3.2, 4.0, 6.0, 9.0]
    shown = recording(spikes(times, sampling_rate=sampling_rate) + 3.0, sampling_rate=sampling_rate)
    (points,) = lines(draw_sheet(reading(shown)))["strip-II-0-10"]
    x, y = points.T
    peaks = x[y < y.max() - 9]
    assert y.max() - y.min() == pytest.approx(10, abs=0.05)
    assert peaks == pytest.approx(LEFT + 25 * np.round(np.array(times) * sampling_rate) / sampling_rate, abs=0.05)
    assert y.max() == pytest.approx(lay_out(shown)[-1].y, abs=0.02)


def test_a_png_has_ten_pixels_per_millimetre_and_a_pdf_is_a4(tmp_path, classifier):
    shown = reading(recording(ecg(seconds=12) / 1000))
    for suffix in (".png", ".pdf"):
        save(shown, tmp_path / f"x{suffix}")
    pixels = imread(tmp_path / "x.png")
    assert pixels.shape[:2] == (2 * 2100, 2970)
    row = pixels[round(10 * (10 + HEAD + 2.5)), :, 1]  # green is weakest on the thick lines, 2.5 mm below one
    thick = np.flatnonzero(row < 0.8)
    edges = thick[np.insert(np.diff(thick) > 1, 0, True)]
    assert len(edges) == 56
    assert edges[0] == pytest.approx(110, abs=2)
    assert np.diff(edges) == pytest.approx(50, abs=1)
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "x.pdf").read_bytes())
    assert [tuple(round(float(x) * MILLIMETRES, 2) for x in box) for box in boxes] == [(297, 210)] * 2


def test_a_column_begins_where_the_one_before_it_ends():
    drawn = lines(draw_sheet(reading(recording(spikes([1.0, 3.0, 6.0, 8.0])))))
    for name, second in (("I-0", 1.0), ("aVR-2.5", 3.0), ("V1-5", 6.0), ("V4-7.5", 8.0)):
        x, y = drawn[f"strip-{name}-2.5"][0].T
        assert x[y.argmin()] == pytest.approx(LEFT + 25 * second, abs=0.05)


def test_twelve_leads_stand_in_the_usual_order():
    strips = lay_out(recording())
    rows = [[s.lead for s in sorted(strips, key=lambda s: s.x) if s.y == y] for y in sorted({s.y for s in strips})]
    assert rows == [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]]
    assert [strip.seconds for strip in strips] == [2.5] * 12 + [10]
    assert {strip.start for strip in lay_out(recording(ecg(seconds=9) / 1000))} == {0}, "shorter than 10 s"


def test_few_leads_have_the_whole_width_and_the_rhythm_strip_is_last():
    strips = lay_out(recording(leads=("II", "V5")))
    assert [(strip.lead, strip.seconds) for strip in strips] == [("V5", 10), ("II", 10)]
    assert [strip.lead for strip in lay_out(recording(leads=("MLII", "V1")))] == ["V1", "MLII"]


def test_a_trace_that_leaves_the_paper_is_cut():
    signal = spikes([1.0])
    signal[9, 4000] = 1e9
    for points in lines(draw_sheet(reading(recording(signal))))["strip-V4-7.5-2.5"]:
        assert points[:, 1].min() > -10


def test_leads_with_missing_samples_are_marked(write_record):
    signal = ecg()
    signal[1, 1000:2100] = signal[3] = -(2**15)
    shown = read(write_record(signal=signal, fmt="16"))
    said = texts(draw_sheet(shown))
    assert said.count("II: gaps bridged") == 2  # in its column and in the rhythm strip
    assert {"aVR: no samples", "I", "aVL", "V6"} <= set(said)
    assert not any("has gaps" in note for note in notes(shown))  # lead I has the R peaks


def test_computed_leads_have_the_gaps_of_their_sources(write_record):
    leads = ("I", "II", "V1", "V2", "V3", "V4")
    signal = ecg(leads=6)
    signal[0, 1000:1100] = -(2**15)
    shown = read(write_record(signal=signal, leads=leads, fmt="16"))
    assert "III: computed, gaps bridged" in texts(draw_sheet(shown))
    assert any("An R-R interval across a gap may be wrong" in note for note in notes(shown))
    signal[1] = -(2**15)
    empty = texts(draw_sheet(read(write_record(signal=signal, leads=leads, fmt="16"))))
    assert {"I: gaps bridged", "II: no samples", "III: no samples", "aVF: no samples", "V5: not recorded"} <= set(empty)


@pytest.mark.parametrize("start", [0.0, 10.0])
def test_bars_of_the_track_stand_under_the_seconds_that_they_explain(start, write_record, classifier):
    shown = read(write_record(signal=ecg(seconds=20)), classifier)
    values = np.zeros(500)
    values[round((start + 4) / BIN)] = 0.2
    answer = dataclasses.replace(shown.answer, saliency=dataclasses.replace(shown.answer.saliency, track=values))
    sheet = draw_sheet(dataclasses.replace(shown, answer=answer), start)
    assert sheet.get_figheight() / MM <= 190, "A4 landscape within margins of 10 mm"
    svg = ElementTree.fromstring(picture(sheet, "an ECG"))
    (bars,) = [path.get("d") for path in svg.iter(f"{SVG}path") if "#0b57a4" in path.get("style", "")]
    x, y = MILLIMETRES * np.array(re.findall(r"[\d.]+", bars), float).reshape(-1, 2).T
    tall = x[y < y.max() - 5]
    assert (tall.min(), tall.max()) == (pytest.approx(LEFT + 100, abs=0.02), pytest.approx(LEFT + 101, abs=0.02))
    said = texts(sheet)
    assert said.count("1.00") == 9, "R-R intervals"
    assert any(text.endswith("The tallest bar of the recording is 0.2.") for text in said)
    assert any(text.startswith("Answer: ") and text.endswith("; header: NSR") for text in said)
