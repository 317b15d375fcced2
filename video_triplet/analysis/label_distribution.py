"""How much label each triplet has, hard and soft, as in Fig. 2b of Yamlahi et al., MICCAI 2023."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import INK, OTHER, PALETTE, named_legend, new_figure, save_png, tidy
from nnunet_dsd.common.errors import ShapeError


@dataclass(frozen=True)
class LabelDistribution:
    """Label mass of each class: the sum of its labels over the frames.

    Attributes:
        classes: Names, from the most frequent hard label to the rarest; ties in the order of ids.
        hard: `(classes,)` number of frames with the label.
        soft: `(classes,)` sum of the soft labels over the same frames.
        frames: How many frames were summed over.
    """

    classes: tuple[str, ...]
    hard: NDArray[np.float64]
    soft: NDArray[np.float64]
    frames: int


def label_distribution(hard: NDArray[Any], soft: NDArray[Any], classes: tuple[str, ...]) -> LabelDistribution:
    """Sum hard and soft labels `(frames, classes)` of the same frames.

    Raises:
        ShapeError: if the tables differ in shape or do not have these classes.
    """
    if hard.shape != soft.shape or hard.ndim != 2 or hard.shape[1] != len(classes):
        raise ShapeError(f"hard labels {hard.shape}, soft labels {soft.shape}; both must be (frames, {len(classes)})")
    mass, soft_mass = hard.sum(axis=0, dtype=np.float64), soft.sum(axis=0, dtype=np.float64)
    order = np.argsort(-mass, kind="stable")
    return LabelDistribution(tuple(classes[index] for index in order), mass[order], soft_mass[order], len(hard))


def draw_label_distribution(distribution: LabelDistribution, path: Path) -> None:
    """Write a figure of the mass per class on a logarithmic axis; a class without any has no mark."""
    from matplotlib.ticker import NullFormatter  # slow to import

    count = len(distribution.classes)
    figure = new_figure(max(7.0, 2.0 + 0.15 * count), 5.2)
    axis = figure.subplots()
    places = np.arange(count)
    hard, soft = (np.where(mass > 0, mass, np.nan) for mass in (distribution.hard, distribution.soft))
    positive = np.concatenate([mass[mass > 0] for mass in (distribution.hard, distribution.soft)])
    floor = 0.5 * positive.min() if positive.size else 0.5
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")  # the powers of ten of such an axis are mathematics otherwise
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.bar(places, hard - floor, bottom=floor, width=0.8, color=PALETTE[4], label="hard labels")
    axis.plot(places, soft, "o", ms=4, color=OTHER, label="soft labels", zorder=3)
    axis.set_ylim(bottom=floor)
    axis.set_xlim(-0.8, count - 0.2)
    axis.set_xticks(places, distribution.classes, rotation=90, fontsize=6 if count > 40 else 8)
    axis.set_ylabel(f"sum of labels over {distribution.frames:,} frames", color=INK)
    named_legend(axis, *axis.get_legend_handles_labels(), frameon=False)
    tidy(axis)
    save_png(figure, path)
