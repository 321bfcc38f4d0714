"""Experiments that train the entry: Table 1 (``table1``), and the effect of the paper's choices (``ablations``)."""
