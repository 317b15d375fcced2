"""Self-distillation for unforked nnU-Net v2: dual self-distillation (DSD) as a plugin.

Importing this package is quick: it loads neither torch nor nnunetv2.
"""

__version__ = "0.1.0.dev0"
