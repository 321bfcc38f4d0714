"""Compare the network with Figure 2, the losses with values by hand, and inference with ``forward``."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heartbeats.common.settings import LOSSES as LOSS_NAMES
from heartbeats.common.settings import NetworkSettings
from heartbeats.networks.inference import InferenceNetwork, receptive_field
from heartbeats.networks.losses import LOSSES, binary_cross_entropy, focal_loss, sign_loss
from heartbeats.networks.se_resnet import Decimation, SEBlock, SEResNet, SqueezeExcitation, twelve_leads
from heartbeats.preparation.signals import fixed_length

SMALL = NetworkSettings(width=8, blocks=(3, 4, 6, 3), reduction=2)  # as deep as the paper's


@pytest.fixture(scope="module")
def paper_network() -> SEResNet:
    return SEResNet(NetworkSettings())


def test_the_paper_network_has_16_77_million_parameters(paper_network):
    assert sum(p.numel() for p in paper_network.parameters()) == 16_772_167


@pytest.mark.parametrize(("samples", "after_stem"), [(15000, 3750), (5000, 1250)])
def test_shapes_per_stage_are_those_of_figure_2(paper_network, samples, after_stem):
    shapes = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape)))
        for module in (paper_network.stem, *paper_network.stages, paper_network)
    ]
    with torch.inference_mode():
        paper_network.eval()(torch.zeros(1, 8, samples))
    for hook in hooks:
        hook.remove()
    lengths = [after_stem, after_stem, -(-after_stem // 2), -(-after_stem // 4), -(-after_stem // 8)]
    channels = [64, 64, 128, 256, 512]
    assert shapes == [(1, c, n) for c, n in zip(channels, lengths, strict=True)] + [(1, 27)]


def test_blocks_per_stage_and_strides_are_those_of_figure_2(paper_network):
    blocks = [list(stage) for stage in paper_network.stages]
    strides = [[block.conv1.stride[0] for block in stage] for stage in blocks]
    assert strides == [[1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1, 1, 1], [2, 1, 1]]
    assert all(block.conv2.stride == (1,) for stage in blocks for block in stage)
    assert all(block.dropout.p == 0.2 for stage in blocks for block in stage)


def test_squeeze_excitation_scales_each_channel_by_a_sigmoid_of_the_means():
    layer = SqueezeExcitation(4, reduction=2)
    x = torch.randn(3, 4, 50)
    hidden = torch.relu(x.mean(-1) @ layer.squeeze.weight.T + layer.squeeze.bias)
    expected = torch.sigmoid(hidden @ layer.excite.weight.T + layer.excite.bias)
    torch.testing.assert_close(layer(x) / x, expected[..., None].expand_as(x))


def test_a_block_adds_its_input():
    block = SEBlock(4, 4, NetworkSettings(width=4, reduction=2), stride=1).eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 4, 30)
    torch.testing.assert_close(block(x), torch.relu(x))


@pytest.mark.parametrize("rate", [50, 100, 125, 250])
def test_decimation_keeps_slow_waves_and_removes_fast_ones(rate):
    t = torch.arange(5000) / 500
    kept, removed = (torch.sin(2 * torch.pi * f * t)[None, None] for f in (rate / 10, rate * 0.75))
    decimate = Decimation(500 // rate)
    inner = slice(30, -30)
    torch.testing.assert_close(decimate(kept)[..., inner], kept[..., :: 500 // rate][..., inner], atol=1e-3, rtol=0)
    assert decimate(removed)[..., inner].abs().max() < 0.01


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    network = SEResNet(NetworkSettings(width=8, reduction=1))
    network(torch.randn(4, 8, 600)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_twelve_leads_are_the_eight_and_the_laws_of_einthoven_and_goldberger():
    one, two = torch.randn(2, 5)
    leads = twelve_leads() @ torch.stack([one, two, *torch.arange(6)[:, None].expand(6, 5)])
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    torch.testing.assert_close(leads, torch.stack([*limb, *torch.arange(6.0)[:, None].expand(6, 5)]))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    ("p", "y", "by_hand"),
    [
        (0.8, 1, 0.04 * 0.22314355131),  # |y - p| = 0.2: (1 - 1.6 + 0.64) x -ln 0.8
        (0.2, 1, 1.60943791243),  # |y - p| = 0.8: 1 x -ln 0.2
        (0.3, 0, 0.09 * 0.35667494394),  # (0 - 0 + 0.09) x -ln 0.7
        (0.9, 0, 2.30258509299),  # 1 x -ln 0.1
        (0.5, 1, 0.69314718056),  # |y - p| = 0.5 is not less than 0.5
    ],
)
def test_the_sign_loss_of_single_labels_by_hand(p, y, by_hand):
    loss = sign_loss(torch.tensor([[logit(p)]], dtype=torch.float64), torch.tensor([[float(y)]], dtype=torch.float64))
    assert loss.item() == pytest.approx(by_hand, rel=1e-9)


def test_the_sign_loss_is_focal_loss_on_right_labels_and_cross_entropy_on_wrong_ones():
    logits, y = torch.linspace(-6, 6, 49, dtype=torch.float64)[:, None], torch.ones(49, 1, dtype=torch.float64)
    each = [[loss(x[None], one[None]) for loss in (sign_loss, focal_loss, binary_cross_entropy)]
            for x, one in zip(logits, y, strict=True)]  # fmt: skip
    values = torch.tensor(each)
    right = logits[:, 0] > 0
    torch.testing.assert_close(values[right, 0], values[right, 1])
    torch.testing.assert_close(values[~right, 0], values[~right, 2])
    torch.testing.assert_close(sign_loss(logits, y), values[:, 0].mean(), check_dtype=False)
    assert tuple(LOSSES) == LOSS_NAMES


def test_the_gradient_of_the_sign_loss_is_that_of_the_whole_product_and_stays_finite():
    logits = torch.tensor([[1.5, -2.0, 0.7, -0.3]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: sign_loss(x, y), (logits,))
    extreme = torch.tensor([[1e4, -1e4]], requires_grad=True)
    sign_loss(extreme, torch.tensor([[0.0, 1.0]])).backward()
    assert extreme.grad.isfinite().all()


def trained(size: NetworkSettings = SMALL) -> SEResNet:
    """A network with random statistics, as after training."""
    torch.manual_seed(0)
    return randomised(SEResNet(size))


def randomised(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return network.eval()


def signal(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).integers(-2000, 2000, (8, samples)).astype(np.int16)


def plain(network: nn.Module, signals: list[np.ndarray], seconds: float) -> np.ndarray:
    """The probabilities by ``network.eval()(x)``."""
    with torch.inference_mode():
        return torch.sigmoid(network(torch.from_numpy(fixed_length(signals, round(500 * seconds)))).double()).numpy()


@pytest.mark.parametrize("seconds", [10.0, 30.0])
@pytest.mark.parametrize("changed", [{}, {"leads": 12}, {"squeeze_excitation": False}], ids=str)
def test_signals_of_every_length_get_the_probabilities_of_forward(seconds, changed):
    network = trained(dataclasses.replace(SMALL, **changed))
    inference = InferenceNetwork(network, seconds=seconds)
    assert inference.cuts
    signals = [signal(samples) for samples in (15_000, 500, 1234, 3000, 4999, 5000, 6500, 8000, 12_000, 14_999)]
    expected = plain(network, signals, seconds)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(inference.probabilities(signals), expected, atol=1e-6, rtol=0)
    assert inference.probabilities([]).shape == (0, 27)


@settings(max_examples=30)
@given(
    blocks=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    samples=st.integers(500, 3000),
    length=st.integers(1, 3000),
)
def test_networks_of_every_depth_give_the_probabilities_of_forward(blocks, samples, length):
    network = trained(NetworkSettings(width=2, blocks=tuple(blocks), reduction=1))
    inference = InferenceNetwork(network, seconds=samples / 500)
    assert inference.cuts
    expected = plain(network, [signal(length)], samples / 500)
    np.testing.assert_allclose(inference.probabilities([signal(length)]), expected, atol=1e-6, rtol=0)


def test_the_receptive_field_of_the_papers_network_follows_from_its_layers(paper_network):
    assert receptive_field(paper_network) == (2683, 32)


def test_short_signals_cost_less(monkeypatch):
    """A third of the input is signal. With the cut, the network reads about half of the whole input."""
    inference = InferenceNetwork(trained(), seconds=30)
    lengths = []
    inference.network.register_forward_pre_hook(lambda _module, inputs: lengths.append(inputs[0].shape[-1]))
    inference.probabilities([signal(5000)])
    inference.cuts = False
    inference.probabilities([signal(5000)])
    assert 0.45 < lengths[0] / lengths[1] < 0.55


class MaxOverTime(nn.Module):
    def forward(self, x):
        return x.amax(dim=-1)


class LastMoment(nn.Module):
    """A pooling whose result depends on the appended zeros."""

    def forward(self, x):
        return (x * torch.linspace(0, 1, x.shape[-1])).mean(dim=-1)


class FixedLength(nn.Linear):
    """A pooling that accepts no other length than that of the whole input."""

    def __init__(self):
        super().__init__(625, 1)

    def forward(self, x):
        return super().forward(x).squeeze(-1)


def with_gelu(network):
    def forward(self, x):
        y = self.dropout(nn.functional.gelu(self.bn1(self.conv1(x))))
        return torch.relu(self.se(self.bn2(self.conv2(y))) + self.skip(x))

    for module in network.modules():
        if isinstance(module, SEBlock):
            module.forward = forward.__get__(module)


def with_kernel_of_9(network):
    for module in network.modules():
        if isinstance(module, SEBlock):
            channels = module.conv2.in_channels
            module.conv2 = nn.Conv1d(channels, channels, 9, padding=4, bias=False)


def with_dilation(network):
    for module in network.modules():
        if isinstance(module, SEBlock):
            channels = module.conv2.in_channels
            module.conv2 = nn.Conv1d(channels, channels, 7, padding=9, dilation=3, bias=False)


def with_pooling(pooling):
    def change(network):
        network.pooling = pooling()

    return change


@pytest.mark.parametrize(
    ("change", "cuts"),
    [
        (with_gelu, True),
        (with_kernel_of_9, True),
        (with_dilation, True),
        (with_pooling(MaxOverTime), True),
        (with_pooling(LastMoment), False),
        (with_pooling(FixedLength), False),
    ],
    ids=["GELU", "kernel of 9", "dilation", "max pooling", "weighted pooling", "pooling of one length"],
)
def test_a_changed_network_answers_by_its_own_forward(change, cuts):
    torch.manual_seed(0)
    network = SEResNet(NetworkSettings(width=8, blocks=(1, 1), reduction=2))
    change(network)
    randomised(network)
    inference = InferenceNetwork(network, seconds=10)
    assert inference.cuts is cuts
    signals = [signal(samples) for samples in (600, 2000, 5000)]
    np.testing.assert_allclose(inference.probabilities(signals), plain(network, signals, 10), atol=1e-6, rtol=0)


def test_later_training_does_not_change_an_inference_network():
    network = trained(NetworkSettings(width=8, blocks=(1, 1), reduction=2))
    inference = InferenceNetwork(network, seconds=3)
    before = inference.probabilities([signal(1500)])
    with torch.no_grad():
        for values in network.parameters():
            values.add_(1.0)
    np.testing.assert_array_equal(inference.probabilities([signal(1500)]), before)
