"""Random changes of training signals do what their settings say."""

import pytest
import torch

from heartbeats.common.settings import AugmentationSettings
from heartbeats.training.augmentation import augment

X = torch.randn(400, 8, 1000, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_nothing_changes_by_default():
    assert augment(X, AugmentationSettings()) is X


def test_a_crop_is_a_part_of_each_recording():
    crops = augment(X[:50], AugmentationSettings(crop=1.0))
    starts = set()
    for whole, crop in zip(X[:50], crops, strict=True):
        (start,) = (i for i in range(501) if torch.equal(whole[:, i : i + 500], crop))
        starts.add(start)
    assert len(starts) > 30
    assert augment(X[:5], AugmentationSettings(crop=10.0)).shape == (5, 8, 1000)


def test_gain_multiplies_whole_recordings():
    factors = (augment(X, AugmentationSettings(gain=0.2)) / X).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert factors[:, 0].log().std() == pytest.approx(0.2, rel=0.1)


def test_noise_has_its_deviation():
    assert (augment(X, AugmentationSettings(noise=0.05)) - X).std() == pytest.approx(0.05, rel=0.01)


def test_a_shift_moves_all_leads_and_fills_with_zeros():
    shifted = augment(X[:50], AugmentationSettings(time_shift=0.5))
    for before, after in zip(X[:50], shifted, strict=True):
        zeros = int((after == 0).all(dim=0).sum())
        moved = zeros if (after[:, 0] == 0).all() else -zeros
        assert zeros <= 250
        inside = slice(max(moved, 0), 1000 + min(moved, 0))
        source = slice(max(-moved, 0), 1000 - max(moved, 0))
        torch.testing.assert_close(after[:, inside], before[:, source])


def test_lead_dropout_keeps_i_and_ii_and_some_chest_leads():
    kept = augment(X, AugmentationSettings(lead_dropout=0.5)).abs().sum(dim=-1) > 0
    assert kept[:, :2].all()
    some = ~kept.all(dim=1)
    assert 0.4 < some.float().mean() < 0.6
    counts = kept[some, 2:].sum(dim=1)
    assert set(counts.tolist()) == set(range(6))
    assert (kept[some, 2:].float().mean(dim=0) - 2.5 / 6).abs().max() < 0.15
