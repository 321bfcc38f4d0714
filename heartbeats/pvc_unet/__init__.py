"""The U-Net for premature ventricular beats (paper, Discussion). Loaded only if ``decision.pvc`` asks for it."""
