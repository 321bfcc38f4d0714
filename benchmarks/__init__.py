"""Scripts that each answer one question and print the figure with its interval (README.md in this folder)."""
