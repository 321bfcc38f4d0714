"""Convert other published data sets to the Challenge's format.

    python -m heartbeats.datasets hefei SOURCE OUT
    python -m heartbeats.datasets ptbxl SOURCE OUT [--rate 500|100] [--likelihood PERCENT]
    python -m heartbeats.datasets ludb SOURCE OUT

You can then test or train an entry on these recordings. The tables of terms (``hefei.csv``, ``ptbxl.csv``,
``ludb.csv``) give each term a SNOMED CT code, or the reason why it has none. See docs/external-sets.md.
"""
