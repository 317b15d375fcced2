"""What both packages stand on: no torch, no nnU-Net."""
