"""Convert other published data sets to the Challenge's format.

    python -m heartbeats.datasets hefei SOURCE OUT
    python -m heartbeats.datasets ptbxl SOURCE OUT [--rate 500|100] [--likelihood PERCENT]
    python -m heartbeats.datasets ludb SOURCE OUT

An entry can then be tested on these recordings, or trained on them. The tables of terms (``hefei.csv``, ``ptbxl.csv``,
``ludb.csv``) give each term a SNOMED CT code, or no code and the reason. See docs/external-sets.md.
"""
