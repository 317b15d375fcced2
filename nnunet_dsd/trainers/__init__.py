"""The glue to nnU-Net: trainers, their checkpoints and export. Importing this package imports none of them."""
