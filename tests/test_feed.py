"""Batches gathered where the signals lie are those put together on the CPU."""

import numpy as np
import pytest
import torch

from heartbeats.training.feed import HostFeed, ResidentFeed, make_feed

CPU = torch.device("cpu")


@pytest.mark.parametrize("samples", [1, 700, 1500])
def test_resident_signals_give_the_batches_that_the_host_gives(samples):
    rng = np.random.default_rng(0)
    lengths = (500, 700, 701, 1500, 2000)
    signals = [rng.integers(-32768, 32768, (8, length)).astype(np.int16) for length in lengths]
    host, resident = HostFeed(signals, samples, CPU), ResidentFeed(signals, samples, CPU)
    for chosen in ([0], [4, 0, 2], [1, 1], [3, 2, 1, 0, 4], []):
        numbers = torch.tensor(chosen, dtype=torch.int64)
        batch = resident.batch(numbers)
        assert batch.shape == (len(chosen), 8, samples)
        torch.testing.assert_close(batch, host.batch(numbers), rtol=0, atol=0)


def test_on_a_cpu_signals_stay_where_they_are():
    assert isinstance(make_feed([np.zeros((8, 500), np.int16)], 500, CPU), HostFeed)
