"""What a GPU would refuse or wait for, seen without one: "meta" tensors are of a device that holds no values."""

from unittest import mock

import numpy as np
import pytest
import torch

from heartbeats.common.settings import NetworkSettings
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.networks.losses import LOSS_FUNCTIONS
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.training import data_parallel
from heartbeats.training.data_parallel import SynchronisedBatchNorm
from heartbeats.training.feed import ResidentFeed
from heartbeats.training.loop import training_step

META = torch.device("meta")


@pytest.mark.parametrize("leads", [8, 12])
@pytest.mark.parametrize("loss", LOSS_FUNCTIONS)
def test_a_training_step_stays_on_its_device_and_waits_for_no_number(loss, leads):
    feed = ResidentFeed([np.zeros((8, samples), np.int16) for samples in (500, 700, 1200)], 1000, META)
    network = SEResNet(NetworkSettings(width=8, blocks=(1, 1), reduction=2, leads=leads)).to(META)
    optimizer = torch.optim.Adam(network.parameters())
    chosen, truth = torch.arange(2, device=META), torch.zeros(3, 27, device=META)
    step = training_step(network, optimizer, LOSS_FUNCTIONS[loss], feed.batch(chosen), truth[chosen], 2)
    assert step.device == META
    assert all(state["exp_avg"].device == META for state in optimizer.state.values())


def test_inference_stays_on_its_device():
    network = InferenceNetwork(SEResNet(NetworkSettings(width=8, blocks=(1, 1), reduction=2)).to(META))
    with torch.inference_mode():
        assert network.logits(torch.empty(3, 8, 700, device=META), 1500).shape == (3, 27)


def test_statistics_of_several_processes_are_added_up_without_a_copy_from_the_cpu(monkeypatch):
    monkeypatch.setattr(data_parallel.distributed, "all_reduce", lambda total: None)
    x, normalisation = torch.empty(3, 4, 10, device=META, dtype=torch.bfloat16), SynchronisedBatchNorm(4).to(META)
    copied = mock.Mock(side_effect=AssertionError("copied from the CPU"))
    for place, name in ((torch.Tensor, "new_tensor"), (torch, "tensor"), (torch, "as_tensor"), (torch, "from_numpy")):
        monkeypatch.setattr(place, name, copied)
    assert normalisation(x).dtype == torch.bfloat16
