"""Other data sets, as their owners publish them, turned into folders in the Challenge's format.

    python -m heartbeats.datasets hefei SOURCE OUT
    python -m heartbeats.datasets ptbxl SOURCE OUT [--rate 500|100] [--likelihood PERCENT]
    python -m heartbeats.datasets ludb SOURCE OUT

An entry that was trained on the Challenge's recordings can then be scored on others, or be trained on them. Each set
has its table of terms beside its module (``hefei.csv``, ``ptbxl.csv``, ``ludb.csv``: term, SNOMED CT code, note); a
term without an honest counterpart has no code, and the reason in its note. docs/external-sets.md has the decisions.
"""

from heartbeats.datasets.challenge_format import DataSetError, Report
from heartbeats.datasets.hefei import convert_hefei
from heartbeats.datasets.ludb import convert_ludb
from heartbeats.datasets.ptbxl import convert_ptbxl

__all__ = ["DataSetError", "Report", "convert_hefei", "convert_ludb", "convert_ptbxl"]
