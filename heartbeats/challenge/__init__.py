"""Definitions of the Challenge's organisers: diagnoses, reward weights, output files, scores."""
