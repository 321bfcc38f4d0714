"""Simulate 12-lead recordings in the Challenge's format, for demonstrations and tests.

The recordings are of no patients, and every header and OUT/README.txt say so. A score on them shows that the program
works; it says nothing about real ECGs.
"""

from heartbeats.simulation.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
