"""Where finished models look: Grad-CAM of segmentation networks, as figures, images and numbers."""
