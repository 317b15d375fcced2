"""All figures of a comparison as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from nnunet_dsd.comparison.box_figure import box_figure
from nnunet_dsd.comparison.case_choice import choose_cases
from nnunet_dsd.comparison.forest_figure import forest_figure
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.comparison.overlays import contour_figure
from nnunet_dsd.comparison.panels import save_figure
from nnunet_dsd.comparison.results import Comparison
from nnunet_dsd.comparison.slope_figure import slope_figure
from nnunet_dsd.evaluation.structures import read_label_set

FILE_ENDING = ".nii.gz"
CASES = "cases"


@dataclass(frozen=True)
class FigureTask:
    """A figure to draw: the name of its files, and what draws it."""

    name: str
    draw: Callable[[], Figure]

    def save(self, folder: Path) -> None:
        """Draw the figure and write its files."""
        save_figure(self.draw(), folder, self.name)


def figure_tasks(comparison: Comparison) -> tuple[FigureTask, ...]:
    """All figures of a comparison, in the order of the report."""
    return (*_measure_tasks(comparison), *_case_tasks(comparison))


def why_no_cases(comparison: Comparison) -> str:
    """Say why no cases can be drawn; an empty text if they can."""
    run_list = comparison.run_list
    lacking = [name for name in ("images", "references") if getattr(run_list, name) is None]
    if not comparison.others:
        return "There is no method besides the baseline."
    if lacking:
        return f"The list of runs names no folder of {' and '.join(lacking)}."
    if not choose_cases(comparison.scores, baseline=comparison.baseline, method=comparison.others[0]):
        return f"There is no case with a Dice and predictions of both {comparison.baseline} and {comparison.others[0]}."
    return ""


def _measure_tasks(comparison: Comparison) -> Iterator[FigureTask]:
    scores, baseline = comparison.scores, comparison.baseline
    for result in comparison.results:
        measure, comparisons = result.measure, result.comparisons
        yield FigureTask(f"box_{measure.name}", partial(box_figure, scores, measure, baseline=baseline))
        if comparisons:
            yield FigureTask(
                f"differences_{measure.name}", partial(forest_figure, comparisons, measure, baseline=baseline)
            )
            yield FigureTask(
                f"slopes_{measure.name}", partial(slope_figure, scores, comparisons, measure, baseline=baseline)
            )


def _case_tasks(comparison: Comparison) -> Iterator[FigureTask]:
    run_list = comparison.run_list
    if why_no_cases(comparison) or run_list.images is None or run_list.references is None:
        return
    names = {"baseline": comparison.baseline, "method": comparison.others[0]}
    shown = choose_cases(comparison.scores, **names)
    files = ImageFiles(run_list.images, run_list.references, FILE_ENDING)
    if run_list.dataset_json:
        labels = read_label_set(run_list.dataset_json)
        files = replace(files, file_ending=labels.file_ending, ignore_label=labels.ignore_label)
        files = replace(files, reader=labels.reader, labels_are_known=True)
    yield FigureTask(CASES, partial(contour_figure, shown, comparison.scores.structures, files, **names))
