"""Turn a folder of recordings into a model folder (paper, Figure 1)."""
