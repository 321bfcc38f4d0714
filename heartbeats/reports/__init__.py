"""Pages for people: training report, score report, ECG page. They read results and change none."""
