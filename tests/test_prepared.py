"""A recording with any signal file is prepared, or refused with a reason."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import TWELVE, ecg
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.prepared import PreparedRecording, prepare_file
from heartbeats.preparation.workers import Failure

RATES = (50, 99, 250, 257, 360, 500, 1000, 2000)
# What savemat writes and the reader reads.
NUMBERS = [np.dtype(name) for name in ("int16", "int32", "uint8", "uint16", "float32", "float64")]
FORMS = [{"format": "4"}, {"format": "5"}, {"format": "5", "do_compression": True}]
STANDARD = (*TWELVE, "vx", "vy", "vz")

files = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def signals(draw: st.DrawFn) -> np.ndarray:
    """Any table of numbers of up to 15 leads and 3 s at 500 Hz, with extreme values, NaN and infinities."""
    dtype = draw(st.sampled_from(NUMBERS))
    shape = (draw(st.integers(1, 15)), draw(st.one_of(st.integers(0, 30), st.integers(450, 1500))))
    signal = draw(arrays.arrays(dtype, shape, fill=arrays.from_dtype(dtype)))
    if draw(st.booleans()):  # on top of an ECG, as a fault in a real recording would be
        beats = ecg(leads=shape[0], seconds=3)[:, : shape[1]]
        signal = np.where(signal == signal.flat[-1], beats.astype(dtype), signal) if signal.size else signal
    return signal


def write(folder: Path, signal: np.ndarray, rate: int, gain: str, **form: object) -> Path:
    leads, samples = signal.shape
    lines = [f"A0001 {leads} {rate} {samples}"]
    lines += [f"A0001.mat 16+24 {gain} 16 0 0 0 0 {lead}" for lead in STANDARD[:leads]]
    header_file = folder / "A0001.hea"
    header_file.write_text("\n".join(lines) + "\n#Dx: 426783006\n")
    scipy.io.savemat(header_file.with_suffix(".mat"), {"val": signal}, **form)
    return header_file


@files
@given(
    signal=signals(),
    rate=st.sampled_from(RATES),
    gain=st.sampled_from(["1000/mV", "200/mV", "4880/mV", "1e-300/mV", "1e300/mV", "-1/uV", "1000(32767)/mV"]),
    form=st.sampled_from(FORMS),
)
def test_a_recording_is_prepared_or_refused_with_a_reason(tmp_path, signal, rate, gain, form):
    item = prepare_file(write(tmp_path, signal, rate, gain, **form))
    assert item.name == "A0001"
    if isinstance(item, Failure):
        assert not item.reason.startswith("unforeseen"), item.reason
        assert len(item.reason.split()) > 2
        assert signal.shape[1] < rate, f"refused for no reason: {item.reason}"
    else:
        assert item.signal.dtype == np.int16
        assert item.signal.shape[0] == len(LEADS)
        assert abs(item.signal.shape[1] - signal.shape[1] * 500 / rate) <= 1
        assert item.signal.any() or any("flat" in warning for warning in item.warnings)


@files
@given(signal=signals(), rate=st.sampled_from(RATES))
def test_the_form_of_the_file_does_not_matter(tmp_path, signal, rate):
    assume(signal.shape[1] >= rate)
    first, *others = (prepare_file(write(tmp_path, signal, rate, "1000/mV", **form)) for form in FORMS)
    assert isinstance(first, PreparedRecording)
    for other in others:
        assert (other.digest, other.bradycardia, other.warnings) == (first.digest, first.bradycardia, first.warnings)
        np.testing.assert_array_equal(other.signal, first.signal)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder for a process without root's rights, even if root runs the tests."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        if root := os.geteuid() == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("suffix", [".hea", ".mat"])
def test_a_file_that_may_not_be_read_is_named(unprivileged, suffix):
    header_file = write(unprivileged, ecg(), 500, "1000/mV")
    assert isinstance(prepare_file(header_file), PreparedRecording)
    header_file.with_suffix(suffix).chmod(0)
    item = prepare_file(header_file)
    assert isinstance(item, Failure)
    assert f"A0001{suffix}" in item.reason
    assert "Permission denied" in item.reason
