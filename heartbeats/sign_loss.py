"""The paper's multi-label sign loss (section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["sign_loss"]


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
