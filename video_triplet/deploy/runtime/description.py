"""What `model.json` says of a deployed model of triplets, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from nnunet_dsd.graphs.runtime.folders import (
    DESCRIPTION,
    DeployedModelError,
    GraphDescription,
    graph_parts,
    read_described,
)
from video_triplet.data.images import RESIZE_FILTER
from video_triplet.data.provenance import ModelRecord
from video_triplet.vocabulary import Head, Vocabulary

VERSION = 1
KIND_OF_MODEL = "triplets"


@dataclass(frozen=True)
class Description(GraphDescription):
    """All that a deployed model needs to know of itself, beside its graph.

    The graph takes a frame `(1, 3, S, S)` and gives the logits of all heads side by side.

    Attributes:
        heads: In the order of the graph's outputs.
        vocabulary: Names of the classes.
        image_size: S, width and height of a frame in pixels.
        mean: Taken from red, green and blue, which are from 0 to 255.
        std: By which they are divided then.
        record: Of the trained model.
    """

    heads: tuple[Head, ...]
    vocabulary: Vocabulary
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    record: ModelRecord

    @property
    def outputs(self) -> int:
        """How many logits the graph gives."""
        return sum(self.vocabulary.size(head) for head in self.heads)

    def as_json(self) -> dict[str, Any]:
        """Return what `model.json` holds of it."""
        same = ("name", "runtime", "runtime_version", "precision", "graph", "files", "image_size", "mean", "std")
        return {
            "version": VERSION,
            "kind": KIND_OF_MODEL,
            **{name: getattr(self, name) for name in same},
            "resize": RESIZE_FILTER,
            "crop": None,  # the whole frame is stretched to a square
            "frames_per_clip": 1,
            "heads": {head: self.vocabulary.names(head) for head in self.heads},
            "vocabulary": self.vocabulary.to_json(),
            "record": self.record.to_json(),
            "measured": self.measured,
        }


def read_description(folder: Path) -> Description:
    """Return what a folder's `model.json` says, with the graph's files checked against it.

    Raises:
        DeployedModelError: if it is missing, broken, of another kind or version, or a file is missing or changed.
    """
    return read_described(folder, VERSION, "video-triplet deploy", _described)


def _described(content: dict[str, Any]) -> Description:
    if content.get("kind") != KIND_OF_MODEL:
        raise DeployedModelError(
            f"{DESCRIPTION} is not of the kind {KIND_OF_MODEL} but of {content.get('kind')}; use the predict.py beside "
            "it"
        )
    for name, known in {"resize": RESIZE_FILTER, "crop": None, "frames_per_clip": 1}.items():
        if content[name] != known:
            raise ValueError(f"{name} is {content[name]}, this predict.py does {known}")
    vocabulary = Vocabulary.from_json(content["vocabulary"])
    heads = tuple(head for head in content["heads"] if head in get_args(Head))
    if {head: list(vocabulary.names(head)) for head in heads} != content["heads"]:
        raise ValueError("the names of the heads' classes are not those of the vocabulary")
    if "triplet" not in heads:
        raise ValueError("it has no head of triplets")
    return Description(
        **graph_parts(content),
        heads=heads,
        vocabulary=vocabulary,
        image_size=int(content["image_size"]),
        mean=_colours(content["mean"]),
        std=_colours(content["std"]),
        record=ModelRecord.from_json(content["record"]),
    )


def _colours(values: Any) -> tuple[float, ...]:
    red, green, blue = values
    return float(red), float(green), float(blue)
