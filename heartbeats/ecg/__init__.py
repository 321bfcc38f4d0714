"""ECG recordings: header and signal files in, signals in mV out. Knows nothing of networks."""
