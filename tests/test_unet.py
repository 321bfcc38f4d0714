"""The U-Net that marks premature ventricular beats."""

import numpy as np
import pytest
import torch
import wfdb
from annotated_beats import lead_with, rhythm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open

from heartbeats.experiments import pvc_unet
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.unet import WINDOW, UNet, mark, marked_runs, normalised, probabilities, spans, write_spans
from heartbeats.training.checkpoints import save_tensors


@pytest.fixture(scope="module")
def kept() -> UNet:
    return unet.load()


@pytest.mark.parametrize("samples", [1, 127, 500, 5000, 5001])
def test_a_sample_gets_a_logit_whatever_the_length(samples):
    assert UNet().eval()(torch.randn(3, samples)).shape == (3, 2, samples)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    network = UNet()
    network(torch.randn(4, 1280)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_answer_depends_on_the_neighbouring_beats_on_either_side():
    x = torch.randn(1, WINDOW, requires_grad=True)
    UNet().eval()(x)[0, 0, WINDOW // 2].backward()
    seen = np.flatnonzero(x.grad[0].numpy())
    assert seen.min() < WINDOW // 2 - 1000
    assert seen.max() > WINDOW // 2 + 1000


def test_normalised_windows_do_not_depend_on_gain_or_offset():
    window = lead_with(rhythm(10, (5,)), 10)[None]
    expected = normalised(window)
    np.testing.assert_allclose(normalised(3 * window), expected, atol=1e-5)
    np.testing.assert_allclose(normalised(window + np.int16(200)), expected, atol=1e-5)


def test_the_scale_is_that_of_the_common_beat():
    plain, one_tall = lead_with(rhythm(10), 10), lead_with(rhythm(10), 10)
    one_tall[2600:2650] = 9000
    assert np.median(np.abs(normalised(plain[None]))) == pytest.approx(
        np.median(np.abs(normalised(one_tall[None]))), rel=0.1
    )
    assert normalised(plain[None]).max() == pytest.approx(1, abs=0.1)


def test_leads_that_say_the_same_or_nothing_change_nothing(kept):
    lead = lead_with(rhythm(20, (5, 12)), 20)
    flat = np.full_like(lead, 300)
    alone = mark(kept, lead)
    assert alone.any()
    for leads in (lead[None], [lead, lead], [lead, flat], [flat, lead, flat]):
        np.testing.assert_array_equal(mark(kept, np.array(leads)), alone)
    assert not mark(kept, np.array([flat, flat])).any()


def test_leads_have_a_say_each(kept):
    """The mean of log-odds: what one lead is sure of and the other denies is settled by who is surer."""
    lead, plain = lead_with(rhythm(20, (5, 12)), 20), lead_with(rhythm(20), 20)
    both = unet.agreed_probabilities(kept, np.array([lead, plain]))
    alone = unet.agreed_probabilities(kept, lead)
    marked = mark(kept, lead)
    assert both[marked].mean() < alone[marked].mean()


@pytest.mark.parametrize("value", [0, 700, -(2**15)])
def test_a_flat_lead_is_zero_and_has_no_marks(kept, value):
    lead = np.full(4000, value, np.int16)
    assert not normalised(lead[None]).any()
    assert not mark(kept, lead).any()


class Position(torch.nn.Module):
    """Answers with the normalised signal itself."""

    threshold = torch.tensor(0.5)

    def forward(self, x):
        return x[:, None].expand(-1, 2, -1)


@pytest.mark.parametrize("samples", [1, 400, 5000, 5001, 7499, 7500, 7501, 15000, 40123])
def test_every_sample_is_answered_once_and_in_its_place(samples, monkeypatch):
    monkeypatch.setattr(unet, "normalised", lambda windows: windows.astype(np.float32) / 40000)
    lead = np.arange(samples).astype(np.int16) if samples < 2**15 else (np.arange(samples) % 2**15).astype(np.int16)
    expected = torch.sigmoid(torch.from_numpy(lead.astype(np.float32) / 40000)).numpy()
    np.testing.assert_allclose(probabilities(Position(), lead), expected, rtol=1e-6)


def test_a_batch_of_one_answers_as_a_batch_of_many(kept, monkeypatch):
    lead = lead_with(rhythm(60, (9, 33, 60)), 60)
    expected = probabilities(kept, lead)
    monkeypatch.setattr(unet, "BATCH_SIZE", 1)
    np.testing.assert_allclose(probabilities(kept, lead), expected, atol=1e-5)


def test_marks_do_not_depend_on_the_gain(kept):
    lead = lead_with(rhythm(20, (9, 15)), 20)
    np.testing.assert_allclose(probabilities(kept, 2 * lead), probabilities(kept, lead), atol=1e-4)


def test_beats_of_one_shape_are_marked_alike(monkeypatch):
    lead = lead_with(rhythm(20, (9, 15)), 20)
    p = np.full(len(lead), 0.01, np.float32)
    for beat, own in ((3.2, 0.99), (6.9, 0.99), (11.7, 0.3)):  # a common beat, and both premature ones
        p[round((beat - 0.2) * 500) : round((beat + 0.3) * 500)] = own
    monkeypatch.setattr(unet, "probabilities", lambda *_: p)
    found = spans(mark(UNet(), lead)) / 500  # its threshold is 0.5
    np.testing.assert_allclose(found, [[6.7, 7.2], [11.5, 12.0]], atol=0.01)


@given(arrays(np.bool_, st.integers(0, 50)))
def test_spans_are_the_runs_of_marks(marks):
    found = spans(marks)
    again = np.zeros_like(marks)
    for start, end in found:
        assert start < end
        again[start:end] = True
    np.testing.assert_array_equal(again, marks)
    assert (found[1:, 0] > found[:-1, 1]).all()


@pytest.mark.parametrize(("length", "marked"), [(1, False), (99, False), (100, True), (300, True)])
@pytest.mark.parametrize("start", [0, 400])
def test_what_is_marked_for_less_than_a_fifth_of_a_second_is_passed_over(start, length, marked):
    p = np.zeros(1000, np.float32)
    p[start : start + length] = 0.6
    p[800:] = 0.5  # at the threshold is marked
    found = spans(marked_runs(p, 0.5)).tolist()
    assert found == [[start, start + length]] * marked + [[800, 1000]]
    assert not marked_runs(p, 0.7).any()


def test_spans_are_written_as_annotations_in_the_recording_s_own_samples(tmp_path):
    lead = lead_with({2.0: "N", 4.0: "V"}, 10)
    path = write_spans(np.array([[1900, 2200], [4000, 4001]]), lead, name="100", folder=tmp_path, sampling_rate=360)
    assert path == tmp_path / "100.pvc"
    annotation = wfdb.rdann(str(tmp_path / "100"), "pvc")
    assert annotation.symbol == ["(", "V", ")"] * 2
    first, peak, last, *single = annotation.sample
    assert (first, last, single) == (1368, 1583, [2880, 2880, 2880])
    assert peak == pytest.approx(4.0 * 360, abs=8)


def test_no_span_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="100: no span"):
        write_spans(spans(np.zeros(9, bool)), np.zeros(9, np.int16), name="100", folder=tmp_path, sampling_rate=360)


def test_weights_and_threshold_are_saved_together(tmp_path):
    torch.manual_seed(0)
    network = UNet().eval()
    network.threshold.fill_(0.3)
    save_tensors(tmp_path / "weights.safetensors", network.state_dict())
    loaded = unet.load(tmp_path / "weights.safetensors")
    lead = lead_with(rhythm(10), 10)
    np.testing.assert_array_equal(probabilities(loaded, lead), probabilities(network, lead))
    assert loaded.threshold.item() == pytest.approx(0.3)


def test_weights_of_another_network_are_refused(tmp_path):
    save_tensors(tmp_path / "weights.safetensors", {"weight": torch.zeros(3)})
    with pytest.raises(RuntimeError, match="weight"):
        unet.load(tmp_path / "weights.safetensors")


def test_the_kept_weights_say_where_they_come_from(kept):
    with safe_open(unet.WEIGHTS_FILE, framework="pt") as file:
        metadata = file.metadata()
    assert {"data", "split", "command", "date"} <= set(metadata)
    assert not set(metadata["split"].split()) & set(pvc_unet.DS2)
    assert unet.WEIGHTS_FILE.stat().st_size < 4 * 2**20
    assert sum(p.numel() for p in kept.parameters()) < 500_000
    assert 0 < kept.threshold.item() < 1


def test_a_lead_in_mv_is_refused(kept):
    with pytest.raises(TypeError, match="not int16 in microvolts"):
        mark(kept, np.zeros(5000))
