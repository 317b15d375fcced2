"""Data sets of labelled surgical frames: readers, checks, splits, the frame cache and what a training step sees."""
