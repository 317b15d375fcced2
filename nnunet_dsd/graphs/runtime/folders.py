"""The folder of a deployed model: `model.json`, and files that must be the ones it was written with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

DESCRIPTION = "model.json"
ENGINES = ("openvino", "onnx")
BLOCK_BYTES = 2**20


class DeployedModelError(Exception):
    """What keeps a deployed model or an image from being used, in a sentence that says what to do."""


def read_content(path: Path, version: int, written_by: str) -> dict[str, Any]:
    """Return what a `model.json` holds.

    Args:
        path: Of the file.
        version: The one that is read.
        written_by: The command, for the message.

    Raises:
        DeployedModelError: if it is missing, broken, or of another version.
    """
    if not path.is_file():
        raise DeployedModelError(f"there is no {path}: give the folder that `{written_by}` wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployedModelError(f"{path} cannot be read ({error}); copy the folder again") from error
    if found != version:
        raise DeployedModelError(
            f"{path} is of version {found}, this predict.py reads version {version}; deploy the model again"
        )
    return dict(content)


def check_graph(folder: Path, runtime: str, files: dict[str, str]) -> None:
    """Check that a folder's graph is of a known runtime and its files are the ones it was written with.

    Args:
        folder: Of the model.
        runtime: That computes the graph.
        files: SHA-256 of every file that belongs to the graph, by name.

    Raises:
        DeployedModelError: if a file is missing or changed, or the runtime unknown.
    """
    if runtime not in ENGINES:
        raise DeployedModelError(f"{runtime} is no runtime that this predict.py knows: {', '.join(ENGINES)}")
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise DeployedModelError(f"{path} is missing; copy the folder again")
        if file_digest(path) != expected:
            raise DeployedModelError(f"{path} was changed or damaged since the model was deployed; copy it again")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
