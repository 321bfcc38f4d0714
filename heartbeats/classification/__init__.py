"""Turn probabilities into labels: ensemble, threshold, bradycardia rule, sinus rhythm fallback, model folder."""
