"""Prepare recordings for the networks: signals, R peaks with the bradycardia rule, cache."""
