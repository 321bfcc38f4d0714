"""The experiments: Table 1 (``table1``) and its ablations (``ablations``).

These are commands; the other modules are what they share.
"""
