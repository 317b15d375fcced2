"""mAP of each video for several configurations, as in Fig. 3 of Yamlahi et al., MICCAI 2023."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import FAINT, INK, colour_of, named_legend, new_figure, save_png, tidy
from nnunet_dsd.common.errors import DataError
from video_triplet.predictions.metrics import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class PerVideo:
    """mAP of whole triplets for each configuration and video.

    Attributes:
        configurations: Names, in the order given.
        videos: Names, from the highest mAP of the reference configuration to the lowest.
        values: `(configurations, videos)`, fractions; NaN where a video has no label.
        reference: The configuration that the videos are sorted by.
    """

    configurations: tuple[str, ...]
    videos: tuple[str, ...]
    values: NDArray[np.float64]
    reference: str


def per_video_maps(folds: Sequence[Evaluation]) -> dict[str, float]:
    """Return the mAP of each video over the folds of one configuration.

    Raises:
        DataError: if a video is in two folds.
    """
    result: dict[str, float] = {}
    for fold in folds:
        twice = sorted(set(fold.videos) & set(result))
        if twice:
            raise DataError(f"{', '.join(twice)} scored twice for one configuration; give each fold once")
        result.update(zip(fold.videos, fold.components["ivt"].per_video_map.tolist(), strict=True))
    return result


def compare_videos(maps: Mapping[str, Mapping[str, float]], reference: str | None = None) -> PerVideo:
    """Return the configurations' mAP for every video, sorted by one of them.

    Args:
        maps: For each configuration the mAP of each video.
        reference: The configuration to sort by; the last one if not given. Ties keep the order of names, and videos
            without mAP come last.

    Raises:
        DataError: if there is none, the reference is unknown, or the configurations differ in their videos.
    """
    if not maps:
        raise DataError("there is no configuration to compare; give at least one")
    names = tuple(maps)
    chosen = names[-1] if reference is None else reference
    if chosen not in maps:
        raise DataError(f"there is no configuration {chosen} to sort by; there are {', '.join(names)}")
    for name in names:
        different = sorted(set(maps[name]) ^ set(maps[chosen]))
        if different:
            raise DataError(f"{name} and {chosen} differ in the videos {', '.join(different)}; score the same ones")
    videos = tuple(sorted(maps[chosen], key=lambda video: (-np.nan_to_num(maps[chosen][video], nan=-1.0), video)))
    values = np.array([[maps[name][video] for video in videos] for name in names], dtype=np.float64)
    return PerVideo(names, videos, values, chosen)


def draw_per_video(table: PerVideo, path: Path, *, what: str = "triplets") -> None:
    """Write a figure: mAP in percent by video as lines on the left, box and dots per configuration on the right.

    Args:
        table: What to draw.
        path: Of the PNG file.
        what: Whose mAP it is, for the axis.
    """
    width = max(6.5, 2.5 + 0.26 * len(table.videos)) + 1.5 + 0.75 * len(table.configurations)
    figure = new_figure(width, 4.6)
    ratios = [max(6.5, 2.5 + 0.26 * len(table.videos)), 1.5 + 0.75 * len(table.configurations)]
    lines, boxes = figure.subplots(1, 2, sharey=True, width_ratios=ratios)
    _draw_lines(lines, table, what)
    _draw_boxes(boxes, table)
    named_legend(lines, lines.lines, table.configurations, frameon=False, fontsize=9, loc="upper right")
    save_png(figure, path)


def _draw_lines(axis: Axes, table: PerVideo, what: str) -> None:
    places = np.arange(len(table.videos))
    for index, name in enumerate(table.configurations):
        thick = name == table.reference
        axis.plot(
            places,
            100 * table.values[index],
            marker="o",
            ms=4.5,
            lw=1.8 if thick else 1.0,
            alpha=1.0 if thick else 0.75,
            color=colour_of(index),
            zorder=3 if thick else 2,
        )
    axis.set_xticks(places, table.videos, rotation=90, fontsize=8)
    axis.set_xlim(-0.6, len(table.videos) - 0.4)
    axis.set_ylabel(f"mAP of {what} (%)", color=INK)
    axis.set_title(f"Each video, sorted by {table.reference}", fontsize=11, color=INK)
    tidy(axis)


def _draw_boxes(axis: Axes, table: PerVideo) -> None:
    rng = np.random.default_rng(0)
    for index in range(len(table.configurations)):
        values = 100 * table.values[index][~np.isnan(table.values[index])]
        axis.boxplot(
            values,
            positions=[index],
            widths=0.5,
            showfliers=False,
            medianprops={"color": INK, "lw": 1.8},
            boxprops={"color": INK},
            whiskerprops={"color": INK},
            capprops={"color": INK},
        )
        shift = rng.uniform(-0.14, 0.14, len(values))
        axis.scatter(index + shift, values, s=18, color=colour_of(index), edgecolor="white", lw=0.5, zorder=3)
    axis.set_xticks(range(len(table.configurations)), table.configurations, rotation=30, ha="right", fontsize=9)
    axis.set_title("All videos", fontsize=11, color=INK)
    axis.spines["left"].set_color(FAINT)
    tidy(axis)
