"""Pages that people look at: reports of a training and of scores, ECGs on paper. One file each, which opens offline."""
