"""The file between steps, its scores and the metric, from arrays up to files."""
