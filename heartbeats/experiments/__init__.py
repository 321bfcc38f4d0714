"""Experiments: Table 1, ablations, the model of the package and its figures, PTB-XL's benchmark, own labels."""
