"""Simulate 12-lead recordings in the Challenge's format, for demonstrations and tests.

The recordings are not of patients; every header and OUT/README.txt say so. A score on them shows that the program
works. It says nothing about real ECGs.
"""

from heartbeats.simulation.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
