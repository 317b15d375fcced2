"""The folder of a deployed model: `model.json`, and files that must be the ones it was written with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.common.hashes import file_hash

DESCRIPTION = "model.json"
ENGINES = ("openvino", "onnx")


class DeployedModelError(DistillationError):
    """What keeps a deployed model or an image from being used, in a sentence that says what to do."""


@dataclass(frozen=True)
class GraphDescription:
    """What `model.json` says of any deployed model; further attributes are those of its kind.

    Attributes:
        name: For people.
        runtime: `openvino` or `onnx`.
        runtime_version: With which it was deployed; older ones are refused.
        precision: `f32`, `bf16`, `f16` or `int8`.
        graph: File of the graph.
        files: SHA-256 of every file that belongs to the graph, by name.
        measured: For people: how far the graph moved what the model says.
    """

    name: str
    runtime: str
    runtime_version: str
    precision: str
    graph: str
    files: dict[str, str]
    measured: dict[str, Any]


Described = TypeVar("Described", bound=GraphDescription)


def graph_parts(content: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a `GraphDescription` that a `model.json` holds.

    Raises:
        KeyError: if one is missing.
    """
    texts = {name: str(content[name]) for name in ("name", "runtime", "runtime_version", "precision", "graph")}
    return {**texts, "files": dict(content["files"]), "measured": dict(content["measured"])}


def read_described(
    folder: Path, version: int, written_by: str, described: Callable[[dict[str, Any]], Described]
) -> Described:
    """Return what a folder's `model.json` says, with the graph's files checked against it.

    Args:
        folder: Of the model.
        version: The one that is read.
        written_by: The command, for messages.
        described: Makes the description of what the file holds; its own errors say what is wrong with that.

    Raises:
        DeployedModelError: if it is missing, broken, of another version, or a file is missing or changed.
    """
    path = folder / DESCRIPTION
    content = _content(path, version, written_by)
    try:
        description = described(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DeployedModelError(
            f"{path} lacks something, or holds what cannot be ({error}); copy the folder again"
        ) from error
    _check_graph(folder, description)
    return description


def _content(path: Path, version: int, written_by: str) -> dict[str, Any]:
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


def _check_graph(folder: Path, description: GraphDescription) -> None:
    if description.runtime not in ENGINES:
        raise DeployedModelError(
            f"{description.runtime} is no runtime that this predict.py knows: {', '.join(ENGINES)}"
        )
    for name, expected in description.files.items():
        path = folder / name
        if not path.is_file():
            raise DeployedModelError(f"{path} is missing; copy the folder again")
        if file_hash(path) != expected:
            raise DeployedModelError(f"{path} was changed or damaged since the model was deployed; copy it again")
