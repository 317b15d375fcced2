"""The `predict.py` of a deployed model."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd import graphs
from nnunet_dsd.graphs.single_file import single_file

OWN, SHARED = Path(__file__).parent / "runtime", Path(graphs.__path__[0]) / "runtime"
NAMES = ("description", "resampling", "headers", "images", "preparing", "windows", "labels", "predictor", "command")
# In the order in which each uses only what came before it.
MODULES = (
    SHARED / "folders.py",
    SHARED / "engines.py",
    *(
        OWN / f"{name}.py"
        for name in ("description", "resampling", "headers", "images", "preparing", "windows", "labels")
    ),
    OWN / "predictor.py",
    OWN / "command.py",
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
