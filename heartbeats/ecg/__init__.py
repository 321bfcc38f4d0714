"""Read and write ECG recordings: headers, signal files, signals in mV."""
