"""The demo: real nnU-Net commands on a phantom, from raw images to a report. Nothing here imports nnunetv2."""
