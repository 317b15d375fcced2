"""Networks with heads, the files of trained models, and what they say of frames."""
