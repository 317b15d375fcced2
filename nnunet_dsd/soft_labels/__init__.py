"""What finished models say of cases and of images without labels, as files: quantised, with their provenance."""
