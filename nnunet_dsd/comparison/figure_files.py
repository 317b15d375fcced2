"""All figures of a comparison as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.comparison.box_figure import box_figure
from nnunet_dsd.comparison.forest_figure import forest_figure
from nnunet_dsd.comparison.overlays import contour_figure
from nnunet_dsd.comparison.panels import save_figure
from nnunet_dsd.comparison.results import Comparison
from nnunet_dsd.comparison.slope_figure import slope_figure

CASES = "cases"


@dataclass(frozen=True)
class FigureTask:
    """A figure to draw: the name of its files, and what draws it."""

    name: str
    draw: Callable[[], Figure]

    def save(self, folder: Path) -> str:
        """Draw the figure and write its files; return why that cannot be, and an empty text if it can.

        Tables and statistics are worth more than any picture of them, so whatever goes wrong here does not cost them.
        """
        try:
            save_figure(self.draw(), folder, self.name)
        except Exception as error:
            for part in folder.glob(f"{self.name}.*"):
                part.unlink()
            return str(error) if isinstance(error, DistillationError) else f"{type(error).__name__}: {error}"
        return ""


def figure_tasks(comparison: Comparison) -> tuple[FigureTask, ...]:
    """All figures of a comparison, in the order of the report."""
    return (*_measure_tasks(comparison), *_case_tasks(comparison))


def _measure_tasks(comparison: Comparison) -> Iterator[FigureTask]:
    scores, baseline = comparison.scores, comparison.baseline
    for result in comparison.results:
        measure, comparisons, columns = result.measure, result.shown_comparisons, result.shown.columns
        yield FigureTask(
            f"box_{measure.name}", partial(box_figure, scores, measure, baseline=baseline, columns=columns)
        )
        if comparisons:
            yield FigureTask(
                f"differences_{measure.name}", partial(forest_figure, comparisons, measure, baseline=baseline)
            )
            yield FigureTask(
                f"slopes_{measure.name}", partial(slope_figure, scores, comparisons, measure, baseline=baseline)
            )


def _case_tasks(comparison: Comparison) -> Iterator[FigureTask]:
    pictures, names = comparison.pictures, {"baseline": comparison.baseline, "method": "".join(comparison.others[:1])}
    if pictures.files is not None:
        structures = comparison.scores.structures
        yield FigureTask(CASES, partial(contour_figure, pictures.shown, structures, pictures.files, **names))
