"""The `predict.py` of a deployed model."""

from __future__ import annotations

from pathlib import Path

import nnunet_dsd
from nnunet_dsd.graphs.single_file import single_file

PACKAGE = Path(nnunet_dsd.__file__).parent
OWN = ("description", "resampling", "headers", "images", "preparing", "windows", "labels", "predictor", "command")
# In the order in which each uses only what came before it.
MODULES = (
    *(PACKAGE / f"common/{name}.py" for name in ("counting", "errors", "files", "hashes")),
    *(PACKAGE / f"graphs/runtime/{name}.py" for name in ("folders", "engines")),
    *(PACKAGE / f"deploy/runtime/{name}.py" for name in OWN),
)
HEAD = '''"""Predict with the model in this folder: python predict.py -i IMAGES -o LABEL_MAPS

From Python: Predictor("FOLDER")(array, spacing). Needs what requirements.txt names, and neither PyTorch nor nnU-Net.
Written by nnunet-dsd {version}, under its licence (Apache 2.0).
"""
'''


def program(version: str) -> str:
    """Return the source of `predict.py`.

    Args:
        version: Of this package.
    """
    return single_file(HEAD.format(version=version), MODULES)
