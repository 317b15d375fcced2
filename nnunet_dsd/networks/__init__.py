"""What a U-shape is, how its levels are tapped, and the bottleneck modules that turn features into soft labels."""
