"""HeartBeats: two SE-ResNets that classify 12-lead ECGs into the 27 diagnoses of the CinC Challenge 2020.

A re-implementation of "Classification of Cardiac Abnormalities From ECG Signals Using SE-ResNet" (Zhu et al.,
Computing in Cardiology 2020). The README has a table from the paper's sections to the modules.
"""

__version__ = "0.1.0"
