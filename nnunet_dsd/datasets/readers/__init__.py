"""Images and label images, read as nnU-Net's readers read them; nothing here imports nnunetv2."""
