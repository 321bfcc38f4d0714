"""Less work, the same probabilities."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heartbeats.common.settings import NetworkSettings, Settings
from heartbeats.networks.inference import Extent, InferenceNetwork
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.preprocessing import fixed_length

SMALL = NetworkSettings(width=8, blocks=(3, 4, 6, 3), reduction=2)  # as deep as the paper's


def trained(size: NetworkSettings = SMALL) -> SEResNet:
    """A network whose every parameter and statistic is another number, as after training."""
    torch.manual_seed(0)
    network = SEResNet(size).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    return network


def signal(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).integers(-2000, 2000, (8, samples)).astype(np.int16)


def plain(network: SEResNet, signals: list[np.ndarray], seconds: float) -> np.ndarray:
    """The probabilities of the network as written."""
    batch = torch.from_numpy(fixed_length(signals, round(500 * seconds)))
    with torch.inference_mode():
        return torch.sigmoid(network(batch.to(network.head.weight.dtype))).numpy()


@pytest.mark.parametrize("seconds", [10.0, 30.0])
def test_every_length_from_1_to_30_s_gives_what_the_network_as_written_gives(seconds):
    """In double precision, where 1e-12 tells an exact shortcut from a good approximation."""
    network = trained().double()
    inference = InferenceNetwork(network)
    for samples in range(500, 15_001, 500):
        signals = [signal(samples), signal(max(500, samples - 77))]
        shortened = inference.probabilities(signals, seconds=seconds)
        expected = plain(network, signals, seconds)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(shortened, expected, atol=1e-12, rtol=0)


@settings(max_examples=30)
@given(
    blocks=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    samples=st.integers(100, 3000),
    length=st.integers(1, 3000),
)
def test_every_depth_and_length_gives_what_the_network_as_written_gives(blocks, samples, length):
    network = trained(NetworkSettings(width=2, blocks=tuple(blocks), reduction=1)).double()
    shortened = InferenceNetwork(network).probabilities([signal(length)], seconds=samples / 500)
    np.testing.assert_allclose(shortened, plain(network, [signal(length)], samples / 500), atol=1e-12, rtol=0)


@pytest.mark.parametrize("changed", [{"leads": 12}, {"squeeze_excitation": False}])
def test_other_networks_give_what_they_give_as_written(changed):
    network = trained(dataclasses.replace(SMALL, **changed)).double()
    signals = [signal(5000), signal(4000)]
    shortened = InferenceNetwork(network).probabilities(signals, seconds=30)
    np.testing.assert_allclose(shortened, plain(network, signals, 30), atol=1e-12, rtol=0)


def test_the_papers_network_in_single_precision():
    network = trained(Settings().network)
    signals = [signal(5000), signal(4000)]
    shortened = InferenceNetwork(network).probabilities(signals, seconds=30)
    np.testing.assert_allclose(shortened, plain(network, signals, 30), atol=1e-5, rtol=0)


def test_less_is_computed(monkeypatch):
    """A third of the input is signal: half of the work is left, not all of it."""
    computed = []

    def counting(x, weight, *arguments):
        computed.append(x.shape[-1] * weight.numel())
        return convolution(x, weight, *arguments)

    convolution = torch.nn.functional.conv2d
    monkeypatch.setattr("heartbeats.inference.F.conv2d", counting)
    inference = InferenceNetwork(trained())
    inference.probabilities([signal(5000)], seconds=30)
    third, computed[:] = sum(computed), []
    inference.probabilities([signal(15_000)], seconds=30)
    assert 0.4 < third / sum(computed) < 0.55


@pytest.mark.parametrize(
    ("before", "kernel", "stride", "after"),
    [
        (Extent(100, 10), 7, 1, Extent(100, 13, 3)),
        (Extent(100, 10, 3), 7, 2, Extent(50, 7, 3)),
        (Extent(101, 10, 0), 3, 2, Extent(51, 6, 1)),
        (Extent(100, 10, 3, 40), 1, 2, Extent(50, 5, 1, 20)),
        (Extent(100, 99), 7, 1, Extent(100, 100)),
    ],
)
def test_what_depends_on_the_signal_and_on_the_end_grows_by_half_the_window(before, kernel, stride, after):
    assert before.after(kernel, stride) == after


@pytest.mark.parametrize("seconds", [10.0, 30.0])
def test_a_recording_is_given_the_same_probabilities_alone_and_in_a_batch(seconds, monkeypatch):
    monkeypatch.setattr("heartbeats.networks.inference.BATCH_SIZE", 3)
    inference = InferenceNetwork(trained())
    signals = [signal(samples) for samples in (7000, 500, 15_000, 4999, 5000)]
    together = inference.probabilities(signals, seconds=seconds)
    alone = np.concatenate([inference.probabilities([one], seconds=seconds) for one in signals])
    assert together.shape == (5, 27)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.ptp(together, axis=0).max() > 1e-3


def test_a_network_reads_no_more_than_its_seconds():
    inference = InferenceNetwork(trained())
    whole, cut = (inference.probabilities([signal(15_000)[:, :n]], seconds=10) for n in (15_000, 5000))
    np.testing.assert_array_equal(whole, cut)


def test_a_network_that_is_trained_on_answers_by_the_weights_that_it_has_then():
    network = trained(NetworkSettings(width=8, blocks=(1, 1), reduction=2))
    inference = InferenceNetwork(network)
    inference.probabilities([signal(1500)], seconds=3)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(torch.randn_like(values) / 10)
    found = inference.probabilities([signal(1500)], seconds=3)
    np.testing.assert_allclose(found, plain(network, [signal(1500)], 3), atol=1e-6)
    network.load_state_dict(trained(NetworkSettings(width=8, blocks=(1, 1), reduction=2)).state_dict())
    found = inference.probabilities([signal(1500)], seconds=3)
    np.testing.assert_allclose(found, plain(network, [signal(1500)], 3), atol=1e-6)


def test_a_network_that_was_made_in_inference_mode_answers():
    """Its tensors do not count their changes."""
    size = NetworkSettings(width=8, blocks=(1, 1), reduction=2)
    with torch.inference_mode():
        network = trained(size)
        inference = InferenceNetwork(network)
        found = inference.probabilities([signal(1500)], seconds=3)
    np.testing.assert_allclose(found, plain(network, [signal(1500)], 3), atol=1e-6)


def test_the_probabilities_of_nothing_are_an_empty_table():
    assert InferenceNetwork(trained()).probabilities([], seconds=10).shape == (0, 27)
