"""Scripts that each answer one question and print a figure with its interval (see README.md)."""
