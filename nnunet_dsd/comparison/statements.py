"""What a reader of the tables must know: what the numbers are, what is missing, what the p values cover."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_dsd.comparison.case_sets import listed
from nnunet_dsd.comparison.empty_predictions import empty_notes
from nnunet_dsd.comparison.formats import DIRECTIONS
from nnunet_dsd.comparison.paired import CONFIDENCE, LEAST_PAIRS, MOST_EXACT, RESAMPLES
from nnunet_dsd.comparison.scores import LeftOut, Scores
from nnunet_dsd.comparison.table import MeasureTable, shown_part
from nnunet_dsd.comparison.twins import twin_notes

MOST_TOLD = 12
FEW_CASES = 12  # the smallest p value is 2 / 2^cases


def table_notes(table: MeasureTable) -> tuple[str, ...]:
    """Return sentences that belong below a table: what the spread is, and which values are missing."""
    kinds = {row.over for row in table.rows}
    spreads = {
        "runs": "± is the sample standard deviation of the runs' means (folds and seeds together).",
        "cases": "± is the sample standard deviation of the cases.",
    }
    if len(kinds) == 1:
        spread = spreads[kinds.pop()]
    else:
        spread = (
            "± is the sample standard deviation of what the second column says: of runs' means, or of one run's cases."
        )
    averaged = "; several runs of a method are averaged" if any(row.over == "runs" for row in table.rows) else ""
    notes = [f"Mean over cases, {DIRECTIONS[table.measure.better]}{averaged}. {spread}"]
    if len(table.columns) > 1:
        lacking = f", without what no reference holds ({listed(table.absent)})" if table.absent else ""
        notes[0] += f" The last column is the mean of those before it{lacking}."
    if len(table.columns) > len(shown := shown_part(table).columns):
        notes[0] += (
            f" Of {len(table.columns) - 1} structures the {len(shown) - 1} with the worst means are shown; means.csv "
            "and differences.csv hold all."
        )
    missing = [
        f"{row.method}, {column}: {cell.undefined}"
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.undefined and column != table.mean_column and column not in table.absent
    ]
    if missing:
        notes.append(
            f"Undefined values of {table.measure.title}, over all runs: {shortened(missing)}. The means leave them "
            "out, which flatters a method that misses a structure in its hardest cases; (7/9) says that a mean stands "
            "on seven of nine values. Means that stand on different cases are not compared: none of them is the best."
        )
    return tuple(notes)


def case_notes(scores: Scores, *, baseline: str) -> tuple[str, ...]:
    """Return sentences about the compared cases and runs that are worth a warning."""
    notes = []
    if scores.left_out:
        left_out = "; ".join(_left_out(one, scores.run_names[one.run]) for one in scores.left_out)
        notes.append(f"Only the cases that all runs of a fold and all methods have are compared. Left out: {left_out}.")
    if scores.unused:
        notes.append(
            f"Runs with none of these cases, left out: {', '.join(scores.run_names[run] for run in scores.unused)}."
        )
    counts = {method: len(scores.of(method)) for method in scores.methods}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{method} {count}" for method, count in counts.items())
        notes.append(
            f"The methods have different numbers of runs ({listed}); averages over more runs are steadier, so that "
            f"differences from {baseline} are not measured with one precision."
        )
    return (*notes, *_absence_notes(scores), *twin_notes(scores), *empty_notes(scores))


def statistics_notes(scores: Scores, *, baseline: str, seed: int) -> tuple[str, ...]:
    """Return sentences about the paired comparisons: how they are made, and what their p values leave out."""
    return (
        f"Each method is compared with {baseline} on the same cases, paired by name. Values of several runs are "
        "averaged per case first, so that a case counts once however often it was predicted. A pair is lost where a "
        "value of either method is undefined.",
        f"Interval: {CONFIDENCE:.0%} bootstrap of the mean difference (bias-corrected and accelerated, {RESAMPLES} "
        f"resamples of the cases, seed {seed}). p: two-sided Wilcoxon signed-rank test, exact up to {MOST_EXACT} "
        f"differing pairs, with ties too, and from the normal approximation beyond. Below {LEAST_PAIRS} differing "
        "pairs there is no test. p (Holm): corrected for all tests of the measure, over methods and structures."
        + _least_p(len(scores.cases)),
        "What the p values cover: that other cases of the same kind could have been drawn. What they do not cover: "
        "that another training with another seed, or on another split, would have ended elsewhere. " + _seeds(scores),
        "Cases are taken as independent. Several images of one patient, or folds that share training cases, are not; "
        "they make intervals too narrow and p values too small.",
    )


def shortened(texts: Sequence[str]) -> str:
    """Join texts by semicolons, the first of many."""
    more = f"; and {len(texts) - MOST_TOLD} more" if len(texts) > MOST_TOLD else ""
    return "; ".join(texts[:MOST_TOLD]) + more


def _absence_notes(scores: Scores) -> list[str]:
    if not scores.in_references.any():
        return ["No reference of the compared cases holds any structure, so nothing here says how well one is found."]
    if not scores.absent:
        return []
    subject = f"{listed(scores.absent)} {'is' if len(scores.absent) == 1 else 'are'}"
    return [f"{subject} in no reference of the compared cases and left out of the mean over structures."]


def _left_out(one: LeftOut, name: str) -> str:
    parts = []
    if one.cases:
        parts.append(f"{len(one.cases)} that others lack ({listed(one.cases)})")
    if one.missing:
        parts.append(f"{len(one.missing)} not predicted ({listed(one.missing)})")
    return f"of {name} {' and '.join(parts)}"


def _least_p(cases: int) -> str:
    """Say how small a p value so many cases can give, where that is not far below what is called significant."""
    if not LEAST_PAIRS <= cases <= FEW_CASES:
        return ""
    return (
        f" With {cases} cases no p can be below {2 / 2**cases:.2g}, and Holm's correction of several tests raises "
        "that: an interval without zero may stand beside a p above 0.05."
    )


def _seeds(scores: Scores) -> str:
    single = [method for method in scores.methods if len(scores.of(method)) == 1]
    if not single:
        return "The spread of the runs' means in the tables shows how large that variation is."
    return (
        f"With a single run ({', '.join(single)}) nothing here shows how large that variation is: a small p value then "
        "says that these two trained networks differ, not that the methods do."
    )
