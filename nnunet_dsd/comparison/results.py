"""Everything a comparison found, before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_dsd.comparison.against_baseline import PairedComparison, compare_with_baseline
from nnunet_dsd.comparison.case_pictures import CasePictures, case_pictures
from nnunet_dsd.comparison.runs import RunList
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.comparison.table import MeasureTable, measure_table, shown_part
from nnunet_dsd.evaluation.measures import Measure


@dataclass(frozen=True)
class MeasureResults:
    """The results in one measure.

    Attributes:
        table: means and spreads of all methods.
        comparisons: of every other method with the baseline; empty if there is no other.
    """

    table: MeasureTable
    comparisons: tuple[PairedComparison, ...]

    @property
    def shown(self) -> MeasureTable:
        """The part of the table that is printed and drawn, if there are many structures."""
        return shown_part(self.table)

    @property
    def shown_comparisons(self) -> tuple[PairedComparison, ...]:
        """The comparisons that are printed and drawn, if there are many structures."""
        found = {(one.method, one.column): one for one in self.comparisons}
        methods = dict.fromkeys(one.method for one in self.comparisons)
        return tuple(found[method, column] for method in methods for column in self.shown.columns)

    @property
    def measure(self) -> Measure:
        """Which one."""
        return self.table.measure


@dataclass(frozen=True)
class Comparison:
    """The results in all measures, with what they were made from.

    Attributes:
        run_list: the runs as given.
        scores: of these runs.
        results: per measure.
        seed: of the bootstrap.
        pictures: the cases to draw.
    """

    run_list: RunList
    scores: Scores
    results: tuple[MeasureResults, ...]
    seed: int
    pictures: CasePictures

    @property
    def baseline(self) -> str:
        """The method that the others are compared with."""
        return self.run_list.baseline_method

    @property
    def others(self) -> tuple[str, ...]:
        """All methods but the baseline."""
        return tuple(method for method in self.scores.methods if method != self.baseline)


def compare(run_list: RunList, scores: Scores, measures: Sequence[Measure], *, seed: int) -> Comparison:
    """Choose the cases to draw, then build tables and paired comparisons in several measures.

    Raises:
        DataError: if a prediction to draw is not the one that was evaluated.
    """
    pictures = case_pictures(run_list, scores)
    baseline = run_list.baseline_method
    results = tuple(
        MeasureResults(
            measure_table(scores, measure), compare_with_baseline(scores, measure, baseline=baseline, seed=seed)
        )
        for measure in measures
    )
    return Comparison(run_list, scores, results, seed, pictures)
