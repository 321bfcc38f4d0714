"""R-R intervals, and the paper's Algorithms 1 and 2."""

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ecg
from joblib.externals.loky import ProcessPoolExecutor

from heartbeats.ecg.header import find_headers, parse_header, read_header_text
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation.bradycardia import (
    bradycardia_rule,
    final_bradycardia,
    r_peaks,
    recording_has_bradycardia,
    rr_intervals,
)


@pytest.mark.parametrize(
    ("intervals", "bradycardia"),
    [
        ([0.8, 0.8, 0.8], False),
        ([1.2, 1.2, 1.2], True),
        ([1.0], True),  # both ends of 1 s to 1.6 s belong to it
        ([1.6], True),
        ([0.999], False),
        ([1.601], False),
        ([1.2, 0.8], True),  # half is enough
        ([1.2, 0.8, 0.8], False),
        ([2.0, 2.0, 1.2], False),  # pauses longer than 1.6 s do not count as brady beats
        ([], False),
    ],
)
def test_algorithm_1(intervals, bradycardia):
    assert bradycardia_rule(intervals) is bradycardia


def test_algorithm_2_uses_the_rule_only_if_it_is_false():
    ensemble, rule = np.array([False, False, True, True]), np.array([False, True, False, True])
    assert final_bradycardia(ensemble, rule).tolist() == [False, False, False, True]


@pytest.mark.parametrize("sampling_rate", [50, 100, 257, 500, 1000])
@pytest.mark.parametrize("rate", [40, 75, 120])
def test_intervals_are_those_of_the_heart_rate_at_any_sampling_rate(sampling_rate, rate):
    lead = ecg(leads=1, sampling_rate=sampling_rate, seconds=20, rate=rate)[0] / 1000
    intervals = rr_intervals(lead, sampling_rate=sampling_rate)
    assert len(intervals) >= 20 * rate / 60 - 3
    assert np.median(intervals) == pytest.approx(60 / rate, abs=0.01)
    np.testing.assert_allclose(intervals, 60 / rate, atol=0.15)  # the detector's ends of ±0.15 s


def test_intervals_do_not_depend_on_the_amplitude():
    lead = ecg(leads=1, seconds=20)[0] / 1000
    np.testing.assert_array_equal(rr_intervals(lead, sampling_rate=500), rr_intervals(lead / 20, sampling_rate=500))


def test_a_flat_lead_has_no_intervals():
    assert rr_intervals(np.full(5000, 0.3), sampling_rate=500).size == 0


def awkward_leads() -> Iterator[tuple[np.ndarray, float]]:
    """Short leads, flat starts, and peaks at the detector's limit of 300 a minute."""
    draws = np.random.default_rng(0)
    for i in range(1500):
        sampling_rate = float(draws.choice([50, 128, 257, 333.3, 360, 500, 2000]))
        time = np.arange(round(draws.choice([1, 1.5, 2, 3, 10]) * sampling_rate)) / sampling_rate
        lead = np.sin(2 * np.pi * draws.uniform(4, 5.2) * time) if i % 2 else draws.standard_normal(len(time))
        if i % 3 == 0:
            lead[: draws.integers(len(lead))] = 0
        if i % 5 == 0:
            lead[: -draws.integers(1, 70)] = 0.3
        yield lead, sampling_rate


def test_unusual_leads_raise_no_error():
    """sleepecg 0.6.0 raises on some of these and corrupts memory on others, so this needs its own process."""
    with ProcessPoolExecutor(max_workers=1) as process:
        assert process.submit(peaks_of_awkward_leads).result() > 1500


def peaks_of_awkward_leads() -> int:
    found = 0
    for lead, sampling_rate in awkward_leads():
        peaks = r_peaks(lead, sampling_rate=sampling_rate)
        assert ((peaks >= 0) & (peaks < len(lead))).all()
        assert (np.diff(peaks) > 0).all()
        found += len(peaks)
    return found


def test_a_flat_start_does_not_matter():
    lead = ecg(leads=1, seconds=10)[0] / 1000
    flat = np.full(2000, lead[0])
    beats = r_peaks(lead, sampling_rate=500)
    np.testing.assert_allclose(r_peaks(np.append(flat, lead), sampling_rate=500), beats + 2000, atol=2)


def test_the_rule_reads_the_whole_recording_not_its_first_30_seconds(write_record):
    fast, slow = ecg(seconds=30, rate=90), ecg(seconds=120, rate=45)
    recording = read_recording(write_record(signal=np.hstack([fast, slow])))
    assert recording_has_bradycardia(recording)


def test_the_rule_on_real_recordings(ecg_data):
    """On the 304 Challenge recordings: true for most sinus bradycardia, false for most sinus rhythm."""
    said = {"426177001": [], "426783006": []}
    for header_file in find_headers(ecg_data / "challenge"):
        diagnoses = parse_header(read_header_text(header_file)).diagnoses
        for code in said.keys() & set(diagnoses):
            said[code].append(recording_has_bradycardia(read_recording(header_file)))
    bradycardia, sinus_rhythm = said.values()
    assert (len(bradycardia), len(sinus_rhythm)) == (33, 72)
    assert sum(bradycardia) >= 30
    assert sum(not rule for rule in sinus_rhythm) >= 60


@pytest.mark.parametrize("lead", [np.full(1000, np.nan), np.append(np.zeros(1000), np.inf), np.zeros((2, 1000))])
def test_r_peaks_are_of_one_lead_of_numbers(lead):
    with pytest.raises(ValueError, match="one lead of finite samples"):
        r_peaks(lead, sampling_rate=500)
