"""A 1-D U-Net that marks premature ventricular beats on lead II (paper, Discussion: segmentation via 1D U-net).

The paper marked the premature ventricular beats of 160 recordings by hand on lead II, trained a U-Net (Ronneberger,
Fischer and Brox 2015, its [11]) on these and 500 recordings without PVC, called a recording PVC if any sample was
marked, and left the network out of its entry. Of the network itself it says no more. Decided here:

- It reads lead II as the entry's other networks do (:mod:`heartbeats.preparation.preprocessing`): 500 Hz, denoised, int16 in
  microvolts, in windows of 10 s. A premature beat is told by its width and by when it comes: the window has its
  neighbours in it, and the lowest level of the network, at 3.9 Hz, sees all of them.
- Each window is scaled by its own beats (:func:`normalised`), because amplitudes of lead II differ between patients
  more than between the beats of one.
- The beats marked for training are the V annotations of the MIT-BIH Arrhythmia Database instead of the authors' own;
  recordings without them come from the Challenge, as theirs did.
- A second output marks all other beats. Only training uses it: it makes the network look for every beat and compare.
- Beats of one shape get one answer (:mod:`heartbeats.pvc_unet.beat_shapes`).
- Other leads may be asked besides lead II (:func:`agreed_probabilities`), which the paper did not.
- What is marked for less than 0.2 s is passed over (:func:`marked_runs`).

The weights that are kept beside this file were trained by ``python -m heartbeats.pvc_unet.train``;
``docs/pvc-unet.md`` says on what, how well they do, and what they are not fit for.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from scipy.special import expit, logit
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from heartbeats.preparation.preprocessing import LEADS, SAMPLING_RATE
from heartbeats.pvc_unet.beat_shapes import SUREST, agreed

__all__ = [
    "ALL_LEADS",
    "LEAD",
    "WEIGHTS_FILE",
    "WINDOW",
    "UNet",
    "agreed_probabilities",
    "load",
    "mark",
    "marked_runs",
    "normalised",
    "probabilities",
    "spans",
    "write_spans",
]

Floats = npt.NDArray[np.float32]

LEAD = LEADS.index("II")  # its row in a prepared signal
ALL_LEADS = [LEAD, *(row for row in range(len(LEADS)) if row != LEAD)]  # lead II's first
WINDOW = 10 * SAMPLING_RATE
# Of each window but a recording's first and last, this much at either end only serves as context.
MARGIN = WINDOW // 4
BATCH_SIZE = 64
WEIGHTS_FILE = Path(__file__).with_name("pvc_unet.safetensors")

# A window's scale is the median over pieces of this length: long enough for a beat at 30 a minute.
PIECE = 2 * SAMPLING_RATE
SMALLEST_SCALE = 50.0  # microvolts: what is smaller than that throughout is noise, and is not blown up

SHORTEST = SAMPLING_RATE // 5  # a run of marks shorter than this, 0.2 s, is no beat's

CHANNELS = (16, 24, 32, 48, 64, 64)
KERNEL = 7
STEM_STRIDE = 4  # to 125 Hz, which keeps what is below 62 Hz: a wide QRS complex has nothing above
DROPOUT = 0.2


class UNet(nn.Module):
    """Logits of "in a premature ventricular beat" and of "in another beat", per sample.

    Attributes:
        threshold: scalar; samples are marked at this probability or above. It is saved with the weights.
    """

    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, CHANNELS[0], 15, stride=STEM_STRIDE, padding=7, bias=False),
            nn.BatchNorm1d(CHANNELS[0]),
            nn.ReLU(),
        )
        inputs = (CHANNELS[0], *CHANNELS[:-1])
        self.down = nn.ModuleList(_block(n, m) for n, m in zip(inputs, CHANNELS, strict=True))
        self.dropout = nn.Dropout(DROPOUT)
        pairs = list(pairwise(CHANNELS))[::-1]
        self.up = nn.ModuleList(_block(finer + coarser, finer) for finer, coarser in pairs)
        self.head = nn.Conv1d(CHANNELS[0], 2, 1)
        self.multiple = STEM_STRIDE * 2 ** (len(CHANNELS) - 1)
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, 2, samples), of normalised windows, shape (batch, samples), of any length."""
        samples = x.shape[-1]
        x = self.stem(F.pad(x, (0, -samples % self.multiple)).unsqueeze(1))
        finer: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool1d(x, 2) if level else x)
            finer.append(x)
        x = self.dropout(finer.pop())
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), finer.pop()], dim=1))
        logits = F.interpolate(self.head(x), scale_factor=float(STEM_STRIDE), mode="linear", align_corners=False)
        return logits[..., :samples]


def _block(inputs: int, channels: int) -> nn.Sequential:
    """Two convolutions that keep the length, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for n in (inputs, channels):
        convolution = nn.Conv1d(n, channels, KERNEL, padding=KERNEL // 2, bias=False)
        layers += [convolution, nn.BatchNorm1d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


def load(path: Path = WEIGHTS_FILE) -> UNet:
    """A network with its weights and threshold, ready to :func:`mark`.

    Raises:
        OSError: the file cannot be read.
        safetensors.SafetensorError: it is no safetensors file.
        RuntimeError: its tensors are not those of a :class:`UNet`.
    """
    network = UNet()
    network.load_state_dict(load_file(path))
    return network.eval()


def normalised(windows: npt.NDArray[np.int16] | Floats) -> Floats:
    """Windows in microvolts, shape (batch, samples), each less its median and divided by its scale.

    The scale is the median, over pieces of 2 s, of the largest deviation in the piece: the height of the common beat,
    which neither one tall premature beat nor one artefact changes.
    """
    centred: Floats = windows.astype(np.float32)
    centred -= np.median(centred, axis=1, keepdims=True)
    starts = PIECE * np.arange(max(1, centred.shape[1] // PIECE))
    heights = np.maximum.reduceat(np.abs(centred), starts, axis=1)
    centred /= np.maximum(np.median(heights, axis=1, keepdims=True), SMALLEST_SCALE)
    return centred


@torch.inference_mode()
def probabilities(network: UNet, lead: npt.NDArray[np.int16]) -> Floats:
    """The network's probability of each sample to lie in a premature ventricular beat, shape (samples,).

    A lead longer than 10 s is read in windows of 10 s every 5 s; of each, the middle counts.

    Args:
        network: in evaluation mode, as :func:`load` gives it.
        lead: lead II prepared as by :func:`heartbeats.preparation.preprocessing.prepare` (row :data:`LEAD` of its signal): int16 in
            microvolts, 500 Hz, shape (samples,), at least one sample, of any length;
            :func:`heartbeats.preparation.preprocessing.prepared_leads` prepares a lead of another name, and does not cut it.

    Raises:
        TypeError: the lead is not int16.
    """
    if lead.dtype != np.int16:
        raise TypeError(f"a lead of {lead.dtype}, not int16 in microvolts: preprocessing.prepared_leads makes it")
    result = np.empty(len(lead), dtype=np.float32)
    last = max(0, len(lead) - WINDOW)
    starts = [*range(0, last, WINDOW - 2 * MARGIN), last]
    for first in range(0, len(starts), BATCH_SIZE):
        batch = starts[first : first + BATCH_SIZE]
        windows = normalised(np.stack([lead[start : start + WINDOW] for start in batch]))
        marked = torch.sigmoid(network(torch.from_numpy(windows))[:, 0]).numpy()
        for start, row in zip(batch, marked, strict=True):
            margin = MARGIN if start else 0
            result[start + margin : start + len(row)] = row[margin:]
    return result


def mark(network: UNet, leads: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """The samples that lie in a premature ventricular beat, shape (samples,); any at all means PVC (paper, Discussion).

    They are the runs at the network's threshold or above of what leads and beats have agreed on.
    Arguments and errors are those of :func:`agreed_probabilities`.
    """
    return marked_runs(agreed_probabilities(network, leads), network.threshold.item())


def agreed_probabilities(network: UNet, leads: npt.NDArray[np.int16]) -> Floats:
    """Probabilities, shape (samples,), on which leads and beats have agreed.

    Of several leads, those that are flat passed over, the mean of their log-odds counts: the network has learned from
    mixtures of leads too. Then beats of one shape agree (:func:`heartbeats.pvc_unet.beat_shapes.agreed`).

    Args:
        network: in evaluation mode, as :func:`load` gives it.
        leads: lead II as for :func:`probabilities`, shape (samples,), the paper's way; or with others of the recording
            below it, shape (leads, samples).

    Raises:
        TypeError: they are not int16.
    """
    rows = np.atleast_2d(leads)
    live = [row for row in rows if np.ptp(row)] or [rows[0]]
    p, *others = [probabilities(network, row) for row in live]
    if others:
        p = expit(np.mean([logit(np.clip(each, SUREST, 1 - SUREST)) for each in (p, *others)], axis=0))
    return agreed(p, live[0])


def marked_runs(p: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """The samples, shape (samples,), of runs of at least 0.2 s whose probability is at the threshold or above.

    The spans that the network learns are shorter only at more than 250 beats a minute.
    """
    marks: npt.NDArray[np.bool_] = p >= threshold
    for start, end in spans(marks):
        marks[start:end] = end - start >= SHORTEST
    return marks


def spans(marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """First sample and the one after the last of each run of marked samples, shape (spans, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def write_spans(
    found: npt.NDArray[np.intp], lead: npt.NDArray[np.int16], *, name: str, folder: Path, sampling_rate: float
) -> Path:
    """Write spans as a WFDB annotation file ``folder/NAME.pvc``, which viewers show over the recording NAME.

    Each span is ``(``, ``V`` at the lead's largest deviation from 0 in it, and ``)``.

    Args:
        found: as :func:`spans` gives them, in samples of ``lead``.
        lead: what was marked, at 500 Hz.
        sampling_rate: the recording's own, in Hz: that is what annotation files count in.

    Raises:
        ValueError: there are no spans; WFDB has no file of no annotations.
        OSError: the file cannot be written.
    """
    if not len(found):
        raise ValueError(f"{name}: no span to write")
    import wfdb  # noqa: PLC0415 - it brings pandas, which classification does not need

    peaks = [start + np.argmax(np.abs(lead[start:end].astype(np.int32))) for start, end in found]
    samples = np.column_stack([found[:, 0], peaks, found[:, 1] - 1]).ravel()
    samples = np.rint(samples * (sampling_rate / SAMPLING_RATE)).astype(np.int64)
    with tempfile.TemporaryDirectory(dir=folder) as part:  # whole or not at all, as every file
        wfdb.wrann(name, "pvc", samples, symbol=["(", "V", ")"] * len(found), write_dir=part)
        return Path(part, f"{name}.pvc").replace(folder / f"{name}.pvc")
