"""The paper's multi-label sign loss (section 2.3), and two losses to compare it with.

Each loss is a coefficient times the binary cross-entropy. With y in {0, 1}:

- sign loss: (y - p)² where |y - p| < 0.5, and 1 elsewhere;
- focal loss with gamma = 2 (Lin et al. 2017): (y - p)² everywhere;
- binary cross-entropy: 1 everywhere.

So the sign loss is the focal loss for right predictions and plain cross-entropy for wrong ones.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def sign_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean of sign(p) × BCE(p, y) over recordings and classes, a scalar.

    sign(p) = y - 2yp + p² where |y - p| < 0.5, and 1 elsewhere. Thus easy negatives weigh little. The gradient
    includes that of the coefficient.

    Args:
        logits: shape (batch, classes); p is their sigmoid.
        y: labels 0 or 1, same shape.
    """
    p = torch.sigmoid(logits)
    sign = torch.where((y - p).abs() < 0.5, y - 2 * y * p + p**2, 1.0)
    return (sign * functional.binary_cross_entropy_with_logits(logits, y, reduction="none")).mean()


def binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean of BCE(p, y), a scalar; arguments as in :func:`sign_loss`."""
    return functional.binary_cross_entropy_with_logits(logits, y)


def focal_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean of (y - p)² × BCE(p, y), a scalar; arguments as in :func:`sign_loss`."""
    p = torch.sigmoid(logits)
    return ((y - p) ** 2 * functional.binary_cross_entropy_with_logits(logits, y, reduction="none")).mean()


# The keys are the values of the setting training.loss.
LOSSES: dict[str, Loss] = {"sign": sign_loss, "bce": binary_cross_entropy, "focal": focal_loss}
