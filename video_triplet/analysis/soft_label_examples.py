"""One frame with its reference and its highest other soft labels, as in Fig. 4 of Yamlahi et al., MICCAI 2023."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import INK, OTHER, REFERENCE, new_figure, save_png, tidy
from video_triplet.analysis.similarity import TOP, component_matches, top_others
from video_triplet.vocabulary import Vocabulary


@dataclass(frozen=True)
class SoftLabelExample:
    """Soft labels of one frame: first the reference, then the highest others.

    Attributes:
        names: Of the triplets.
        probabilities: Their soft labels.
        matches: How many components each shares with the reference; 3 for itself. None for classes without components.
    """

    names: tuple[str, ...]
    probabilities: tuple[float, ...]
    matches: tuple[int, ...] | None

    @property
    def mean_matches(self) -> float | None:
        """Mean number of components that the others share with the reference; None where there is nothing to share."""
        return float(np.mean(self.matches[1:])) if self.matches and len(self.matches) > 1 else None


def soft_label_example(
    soft: NDArray[Any], reference: int, vocabulary: Vocabulary, *, top: int = TOP
) -> SoftLabelExample:
    """Return the reference and the `top` others, or as many as there are, of one frame's soft labels `(triplets,)`."""
    others = top_others(soft[None], np.array([reference]), min(top, len(soft) - 1))[0].tolist()
    ids = [reference, *others]
    shared = component_matches(vocabulary)[reference] if vocabulary.has_components else None
    return SoftLabelExample(
        tuple(vocabulary.triplet_names[index] for index in ids),
        tuple(float(soft[index]) for index in ids),
        None if shared is None else tuple(int(shared[index]) for index in ids),
    )


def draw_soft_label_example(example: SoftLabelExample, image: NDArray[np.uint8], title: str, path: Path) -> None:
    """Write a figure: the image `(height, width, 3)`, and bars with the reference in green and the others in red."""
    figure = new_figure(11.0, 3.5)
    picture, axis = figure.subplots(1, 2, width_ratios=[1.0, 1.1])
    picture.imshow(image)
    picture.set_axis_off()
    picture.set_title(title, fontsize=11, color=INK)
    places = np.arange(len(example.names))
    colours = [REFERENCE] + [OTHER] * (len(places) - 1)
    axis.barh(places, example.probabilities, color=colours, height=0.7)
    shared = ["" for _ in places] if example.matches is None else [f" ({count} shared)" for count in example.matches]
    for place, value, remark in zip(places, example.probabilities, shared, strict=True):
        text = f"{value:.2f}" + (" reference" if place == 0 else remark)
        axis.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    axis.set_yticks(places, example.names, fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.3)
    axis.set_xticks(np.linspace(0, 1, 6))
    axis.set_xlabel("soft label", color=INK)
    if example.mean_matches is not None:
        axis.set_title(f"mean shared components {example.mean_matches:.1f}", fontsize=11, color=INK)
    tidy(axis, grid="x")
    save_png(figure, path)
