"""The experiments that train the entry: Table 1 (``table1``) and what the paper's choices bring (``ablations``)."""
