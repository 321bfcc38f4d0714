"""The SE-ResNet, its losses and its inference. All use one ``forward``."""
