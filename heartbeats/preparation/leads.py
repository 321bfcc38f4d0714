"""Select or compute the eight leads that the networks read (paper, section 2.1)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import RecordingError

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Each limb lead as a combination of I and II: Einthoven's law and Goldberger's equations (the paper's [4] and [5]).
LIMB_LEADS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}

Floats = npt.NDArray[np.float64]


def select_leads(signal: Floats, leads: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """Return the eight leads of a signal in mV, shape (8, samples), and warnings.

    A missing I or II is computed from other limb leads if at least two of them are present. Other missing leads
    become 0 mV. If a lead occurs twice, the first one is used.

    Args:
        signal: mV, shape (leads, samples).
        leads: the names of the rows, standard leads spelled as in ``STANDARD_LEADS``.

    Raises:
        RecordingError: none of the eight leads is present or can be computed.
    """
    rows, missing = [], []
    warnings = [f"lead {lead} is given twice: the first is used" for lead in STANDARD_LEADS if leads.count(lead) > 1]
    for lead in LEADS:
        row, sources = select_lead(signal, leads, lead)
        rows.append(row)
        if not sources:
            missing.append(lead)
        elif lead not in sources:
            warnings.append(f"lead {lead} is missing: computed from {', '.join(sources)}")
    if len(missing) == len(LEADS):
        raise RecordingError(f"none of the leads {', '.join(LEADS)} among {', '.join(leads)}")
    if missing:
        warnings.append(f"leads missing, taken as 0 mV: {', '.join(missing)}")
    return np.stack(rows), tuple(warnings)


def select_lead(signal: Floats, leads: Sequence[str], wanted: str) -> tuple[Floats, tuple[str, ...]]:
    """Return one lead in mV, shape (samples,), and the names of its source leads.

    The source is the lead itself, or limb leads from which it is computed. Without a source, the lead is 0 mV.

    Args:
        signal: mV, shape (leads, samples).
        leads: the names of the rows.
        wanted: a standard lead.
    """
    if wanted in leads:
        return signal[leads.index(wanted)], (wanted,)
    present = tuple(lead for lead in LIMB_LEADS if lead in leads)
    if wanted in LIMB_LEADS and present:
        equations, target = np.array([LIMB_LEADS[lead] for lead in present]).T, np.array(LIMB_LEADS[wanted])
        factors = np.linalg.lstsq(equations, target)[0]
        if np.allclose(equations @ factors, target):
            return factors @ signal[[leads.index(lead) for lead in present]], present
    return np.zeros(signal.shape[1]), ()
