"""What the folder of a set of soft labels is called, and its manifest. Light: imports nothing."""

SETS = "soft_labels"  # beside nnU-Net's preprocessed data of a data set
MANIFEST = "manifest.json"
