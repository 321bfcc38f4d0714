"""From probabilities to labels: ensemble, threshold, bradycardia rule, sinus rhythm fallback, model folder."""
