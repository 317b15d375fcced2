"""The `predict.py` of a deployed model of triplets."""

from __future__ import annotations

from pathlib import Path

import nnunet_dsd
from nnunet_dsd.graphs.single_file import single_file

SHARED, OWN = Path(nnunet_dsd.__file__).parent, Path(__file__).parents[1]
# In the order in which each uses only what came before it.
MODULES = (
    *(SHARED / f"common/{name}.py" for name in ("counting", "errors", "files", "hashes")),
    *(SHARED / f"graphs/runtime/{name}.py" for name in ("folders", "engines")),
    OWN / "vocabulary.py",
    *(OWN / f"data/{name}.py" for name in ("provenance", "whole_images", "images", "display_matrix", "joined_files")),
    *(OWN / f"data/{name}.py" for name in ("playing_times", "video_files")),
    *(OWN / f"predictions/{name}.py" for name in ("file", "frame_results")),
    OWN / "models/annotated_video.py",
    *(OWN / f"deploy/runtime/{name}.py" for name in ("description", "predictor", "command")),
)
HEAD = '''"""Recognise triplets with the model in this folder: python predict.py -i VIDEO -o RESULTS

From Python: Predictor("FOLDER")(frame). Needs what requirements.txt names, and neither PyTorch nor timm.
Written by video-triplet {version}, under its licence (Apache 2.0).
"""
'''


def program(version: str) -> str:
    """Return the source of `predict.py`.

    Args:
        version: Of this package.
    """
    return single_file(HEAD.format(version=version), MODULES)
