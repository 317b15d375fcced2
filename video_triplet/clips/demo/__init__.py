"""Rendered video classes and the demo of what fine-tuning forgets."""
