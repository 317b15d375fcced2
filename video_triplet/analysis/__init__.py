"""What the numbers look like: per-video scores, label distributions, similarity of soft labels."""
