"""From a folder of recordings to a model folder (Figure 1 of the paper)."""
