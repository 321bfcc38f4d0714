"""The SE-ResNet, its losses, and its answers. Only ``forward`` computes."""
