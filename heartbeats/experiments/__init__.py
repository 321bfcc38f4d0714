"""The experiments: Table 1 (``table1``), its ablations (``ablations``), the U-Net (``pvc_unet``, ``pvc_challenge``).

These are commands; the other modules are what they share.
"""
