"""Simulate 12-lead recordings in the Challenge's format, for demonstrations and tests.

    python -m heartbeats.simulation OUT --records 300 --seed 0

The recordings are of no patients, and every header and OUT/README.txt say so. A score on them shows that the program
works; it says nothing about real ECGs.
"""

from heartbeats.simulation.cohort import simulate_cohort
from heartbeats.simulation.heart_vector import simulate_recording

__all__ = ["simulate_cohort", "simulate_recording"]
