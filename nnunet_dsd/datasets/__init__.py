"""Data sets in nnU-Net's raw format: the phantom of the demo, and converters of public data sets."""
