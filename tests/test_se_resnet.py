"""The network against the paper's Figure 2."""

import pytest
import torch

from heartbeats.common.settings import NetworkSettings
from heartbeats.networks.se_resnet import SEBlock, SEResNet, SqueezeExcitation, twelve_leads


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
    assert [len(stage) for stage in blocks] == [3, 4, 6, 3]
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


def test_a_network_without_squeeze_and_excitation_has_no_parameters_of_it():
    network = SEResNet(NetworkSettings(width=8, reduction=1, squeeze_excitation=False))
    names = [name for name, _ in network.named_parameters()]
    assert names
    assert not any(".se." in name for name in names)
