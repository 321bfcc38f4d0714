"""What the paper tried beside its entry; each module is a command that trains and measures it."""
