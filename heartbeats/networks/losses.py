"""The paper's multi-label sign loss (section 2.3), and two that it is compared with.

All three are a coefficient times binary cross-entropy. For y in {0, 1} the sign loss's is (y - p)^2 where a label is on
its right side of 0.5, and 1 elsewhere; focal loss with gamma = 2 (Lin et al. 2017) has (y - p)^2 everywhere; plain
cross-entropy has 1. So the sign loss is focal loss on what is right already and plain cross-entropy on what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LOSS_FUNCTIONS", "Loss", "binary_cross_entropy", "focal_loss", "sign_loss"]


def sign_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over recordings and classes of sign(p) x BCE(p, y), a scalar.

    sign(p) = y - 2py + p^2 where |y - p| < 0.5, and 1 elsewhere: a label on its right side of 0.5 counts by (y - p)^2
    (which the formula is for y in {0, 1}), so that the many easy negatives do not drown the few errors. The gradient is
    that of the whole product, coefficient included, as the formula stands.

    Args:
        logits: shape (batch, classes); p is their sigmoid. Taken instead of p for a cross-entropy without overflow.
        y: labels 0 or 1, same shape.
    """
    p = torch.sigmoid(logits)
    coefficient = torch.where((y - p).abs() < 0.5, y - 2 * p * y + p**2, 1.0)
    return (coefficient * functional.binary_cross_entropy_with_logits(logits, y, reduction="none")).mean()


def binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean of BCE(p, y); arguments as :func:`sign_loss`."""
    return functional.binary_cross_entropy_with_logits(logits, y)


def focal_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean of (y - p)^2 x BCE(p, y): focal loss with gamma = 2 and no class weights; arguments as :func:`sign_loss`."""
    p = torch.sigmoid(logits)
    return ((y - p) ** 2 * functional.binary_cross_entropy_with_logits(logits, y, reduction="none")).mean()


Loss = Callable[[Tensor, Tensor], Tensor]

# By the name that the setting training.loss has for them.
LOSS_FUNCTIONS: dict[str, Loss] = {
    "sign": sign_loss,
    "bce": binary_cross_entropy,
    "focal": focal_loss,
}
