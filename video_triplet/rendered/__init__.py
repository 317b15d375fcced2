"""Rendered videos and clips: made-up data sets in the layouts of the real ones."""
