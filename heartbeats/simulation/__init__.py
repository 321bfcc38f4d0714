"""Simulated 12-lead cohorts in the Challenge's format, for demonstrations and tests where there are no data.

    python -m heartbeats.simulation OUT --records 300 --seed 0

No patient is in OUT: every header, and OUT/README.txt, says that it is simulated. A score on such a cohort says that
the program works, and nothing about how well it reads real ECGs.

The model keeps the order of the heart: activations of the atria are conducted to the ventricles, or not (``rhythm``);
each activation adds Gaussian waves to the heart vector, which is projected to the leads (``heart_vector``); recordings
get names, headers and labels as in the Challenge's sources (``cohort``). A diagnosis is simulated by the mechanism that
causes it, so that its criteria hold because of it.
"""

from heartbeats.simulation.cohort import simulate_cohort
from heartbeats.simulation.heart_vector import simulate_recording

__all__ = ["simulate_cohort", "simulate_recording"]
