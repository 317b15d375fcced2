"""How unforked nnU-Net finds the trainers: a start-up file, a folder with one module, and a check that it works."""
