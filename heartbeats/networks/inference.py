"""A trained network's probabilities, with less work than its layers as written and, up to rounding, the same result.

Three things differ from :class:`~heartbeats.networks.se_resnet.SEResNet`, none of them an approximation:

- Batch normalisation, a fixed scale and shift once training is over, is folded into the convolution before it.
- Positions lie innermost but one and channels innermost ("channels last"), as the convolutions of oneDNN and cuDNN
  like them.
- Zeros appended to a short signal give the same values at every position, except near the signal and near the input's
  end. Of each such constant stretch only as many positions are computed as leave one after the next block; means over
  time count that one as often as it would stand there (:class:`Extent`). For a 10 s recording in the 30 s network this
  halves the multiplications.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.nn.utils.fusion import fuse_conv_bn_eval

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.networks.se_resnet import SEBlock, SEResNet, SqueezeExcitation
from heartbeats.preparation.preprocessing import SAMPLING_RATE, fixed_length

__all__ = ["BATCH_SIZE", "Extent", "InferenceNetwork"]

BATCH_SIZE = 16
POOLING = 3, 2  # kernel and stride of the max pooling after the stem


@dataclass(frozen=True)
class Extent:
    """Where along time the values of a batch are constant, per channel and recording.

    Attributes:
        length: positions of the whole input.
        left: positions from the start that depend on the signal.
        right: positions up to the end that depend on where the input ends.
        removed: positions of the constant stretch between the two that are left out.
    """

    length: int
    left: int
    right: int = 0
    removed: int = 0

    def after(self, kernel: int, stride: int) -> Extent:
        """The extent after a convolution or pooling of odd width ``kernel``, padded by half of it on both sides."""
        half = kernel // 2
        length = -(-self.length // stride)
        first_right = -(-(self.length - self.right - half) // stride)
        left = min(length, -(-(self.left + half) // stride))
        return Extent(length, left, length - max(left, first_right), self.removed // stride)

    @property
    def constant(self) -> int:
        """Positions of the constant stretch, those left out included."""
        return self.length - self.left - self.right


class InferenceNetwork:
    """A network, ready to answer for prepared signals by the weights that it has then; left in evaluation mode."""

    def __init__(self, network: SEResNet) -> None:
        self.network = network
        self._fold()

    def _fold(self) -> None:
        network = self.network.eval()
        self.folded = _state(network)
        self.stem = FoldedConvolution(network.stem[0], network.stem[1])
        if network.combinations is not None:  # a sum of leads is a sum of weights
            self.stem.weight = torch.einsum("oihk,ij->ojhk", self.stem.weight, network.combinations).contiguous(
                memory_format=torch.channels_last
            )
        self.blocks = [FoldedBlock(block) for block in network.modules() if isinstance(block, SEBlock)]
        self.head = network.head

    @torch.inference_mode()
    def probabilities(self, signals: Sequence[npt.NDArray[np.int16]], *, seconds: float) -> npt.NDArray[np.float64]:
        """Probabilities, shape (signals, 27), of prepared signals cut or zero-padded to ``seconds``.

        Computed in the precision and on the device of the network's weights, signals of like length together.
        """
        if self.network.training or _state(self.network) != self.folded:  # it has been trained on
            self._fold()
        samples = round(seconds * SAMPLING_RATE)
        lengths = np.array([min(samples, signal.shape[1]) for signal in signals])
        order = np.argsort(lengths, kind="stable")
        probabilities = np.empty((len(signals), len(CLASSES)))
        weight = self.head.weight
        # Neither TF32's ten bits on a GPU nor algorithms that add in another order each time.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for start in range(0, len(order), BATCH_SIZE):
                chosen = order[start : start + BATCH_SIZE]
                batch = torch.from_numpy(fixed_length([signals[i] for i in chosen], int(lengths[chosen].max())))
                logits = self.logits(batch.to(weight.device, weight.dtype), samples)
                probabilities[chosen] = torch.sigmoid(logits.double()).cpu().numpy()
        return probabilities

    def logits(self, x: Tensor, length: int) -> Tensor:
        """Logits, shape (batch, 27), of signals in mV, shape (batch, 8, samples), continued by zeros to ``length``."""
        x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        # A position of zeros stands for the appended ones.
        extent = Extent(length, x.shape[-1])
        x = F.pad(x, (0, min(1, extent.constant)))
        extent = dataclasses.replace(extent, removed=length - x.shape[-1])
        kernel, stride = POOLING
        x, extent = _recut(x, extent, self.stem.extent(extent).after(kernel, stride), self.stem.stride * stride)
        x = F.max_pool2d(torch.relu_(self.stem(x)), (1, kernel), (1, stride), (0, kernel // 2))
        extent = self.stem.extent(extent).after(kernel, stride)
        for block in self.blocks:
            x, extent = block(x, extent)
        logits: Tensor = self.head(_mean(x, extent))
        return logits


def _state(network: nn.Module) -> list[tuple[int, int]]:
    """Of each tensor of a network where it is and, unless made in inference mode, how often it was changed there."""
    tensors = network.state_dict().values()
    return [(values.data_ptr(), 0 if values.is_inference() else values._version) for values in tensors]


class FoldedBlock:
    """An :class:`~heartbeats.networks.se_resnet.SEBlock` on a shortened batch."""

    def __init__(self, block: SEBlock) -> None:
        self.conv1 = FoldedConvolution(block.conv1, block.bn1)
        self.conv2 = FoldedConvolution(block.conv2, block.bn2)
        self.se = block.se
        self.skip = None if isinstance(block.skip, nn.Identity) else FoldedConvolution(*block.skip.children())

    def __call__(self, x: Tensor, extent: Extent) -> tuple[Tensor, Extent]:
        """From shape (batch, inputs, 1, positions) to (batch, channels, 1, fewer or as many), and the new extent."""
        x, extent = _recut(x, extent, self._extent(extent), self.conv1.stride)
        y = self.conv2(torch.relu_(self.conv1(x)))
        extent = self._extent(extent)
        if isinstance(self.se, SqueezeExcitation):
            y *= self.se.weights(_mean(y, extent))[:, :, None, None]
        y += x if self.skip is None else self.skip(x)
        return torch.relu_(y), extent

    def _extent(self, extent: Extent) -> Extent:
        return self.conv2.extent(self.conv1.extent(extent))


class FoldedConvolution:
    """A convolution of odd width, padded by half of it, and the batch normalisation that follows it."""

    def __init__(self, convolution: nn.Module, normalisation: nn.Module) -> None:
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(normalisation, nn.BatchNorm1d)
        fused = fuse_conv_bn_eval(convolution, normalisation)
        self.weight = fused.weight.detach().unsqueeze(2).contiguous(memory_format=torch.channels_last)
        self.bias = fused.bias
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]

    def __call__(self, x: Tensor) -> Tensor:
        """From shape (batch, inputs, 1, positions) to (batch, channels, 1, ceil(positions / stride))."""
        return F.conv2d(x, self.weight, self.bias, (1, self.stride), (0, self.kernel // 2))

    def extent(self, before: Extent) -> Extent:
        """What the extent becomes."""
        return before.after(self.kernel, self.stride)


def _recut(x: Tensor, extent: Extent, following: Extent, stride: int) -> tuple[Tensor, Extent]:
    """``x`` with its constant stretch cut, or filled, to what leaves one constant position in the ``following`` extent.

    ``stride`` is what lies between the two: what is removed is a multiple of it, so that windows keep their places.
    """
    removed = max(0, following.constant - 1) * stride
    present = extent.constant - extent.removed
    wanted = extent.constant - removed
    if present != wanted:
        left, constant = x[..., : extent.left], x[..., extent.left : extent.left + 1]
        right = x[..., x.shape[-1] - extent.right :]
        # What is expanded has no memory format, and would take channels last from the whole.
        constant = constant.expand(*x.shape[:-1], wanted).contiguous(memory_format=torch.channels_last)
        x = torch.cat([left, constant, right], dim=-1)
    return x, dataclasses.replace(extent, removed=removed)


def _mean(x: Tensor, extent: Extent) -> Tensor:
    """The mean over time, shape (batch, channels), of what ``x``, shape (batch, channels, 1, positions), stands for."""
    if not extent.removed:
        return x.mean(dim=(2, 3))
    return (x.sum(dim=(2, 3)) + extent.removed * x[..., 0, extent.left]) / extent.length
