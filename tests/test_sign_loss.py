"""The sign loss against numbers worked out by hand."""

import math

import pytest
import torch

from heartbeats.common.settings import LOSSES
from heartbeats.networks.losses import LOSS_FUNCTIONS, binary_cross_entropy, focal_loss, sign_loss


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
        (0.5, 0, 0.69314718056),
    ],
)
def test_single_labels_by_hand(p, y, by_hand):
    loss = sign_loss(torch.tensor([[logit(p)]], dtype=torch.float64), torch.tensor([[float(y)]], dtype=torch.float64))
    assert loss.item() == pytest.approx(by_hand, rel=1e-9)


def test_the_loss_is_the_mean_over_recordings_and_classes():
    logits, y = torch.randn(5, 27, dtype=torch.float64), (torch.rand(5, 27) < 0.2).double()
    each = [sign_loss(logits[i : i + 1, j : j + 1], y[i : i + 1, j : j + 1]) for i in range(5) for j in range(27)]
    torch.testing.assert_close(sign_loss(logits, y), torch.stack(each).mean())


def test_right_labels_count_less_than_in_binary_cross_entropy_and_wrong_ones_the_same():
    logits, y = torch.linspace(-8, 8, 101)[:, None], torch.ones(101, 1)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    signed = torch.stack([sign_loss(logits[i : i + 1], y[i : i + 1]) for i in range(101)])[:, None]
    right = logits > 0
    assert (signed[right] <= 0.25 * plain[right]).all()
    torch.testing.assert_close(signed[~right], plain[~right])


def test_the_gradient_is_that_of_the_whole_product():
    logits = torch.tensor([[1.5, -2.0, 0.7, -0.3]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: sign_loss(x, y), (logits,))


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = sign_loss(logits, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_sign_loss_is_focal_loss_on_right_labels_and_cross_entropy_on_wrong_ones():
    logits, y = torch.linspace(-6, 6, 49, dtype=torch.float64)[:, None], torch.ones(49, 1, dtype=torch.float64)
    each = torch.stack(
        [
            torch.stack([f(x[None], one[None]) for f in (sign_loss, focal_loss, binary_cross_entropy)])
            for x, one in zip(logits, y, strict=True)
        ]
    )
    right = logits[:, 0] > 0
    torch.testing.assert_close(each[right, 0], each[right, 1])
    torch.testing.assert_close(each[~right, 0], each[~right, 2])
    assert (each[~right, 1] < each[~right, 2]).all()


def test_every_loss_that_can_be_set_is_there():
    assert tuple(LOSS_FUNCTIONS) == LOSSES
