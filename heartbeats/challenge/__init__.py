"""What the Challenge's organisers define: diagnoses, reward weights, output files, scores."""
