"""Which cases are compared: the same ones for all runs of a fold, and for all methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.runs import Run

MOST_LISTED = 5


@dataclass(frozen=True)
class RunCases:
    """The cases of one run.

    Attributes:
        run: which one.
        cases: names of those that were evaluated.
        missing: names of the references without a prediction, which its evaluation left out.
    """

    run: Run
    cases: frozenset[str]
    missing: tuple[str, ...] = ()


def compared_cases(runs: Sequence[RunCases], *, common_cases: bool) -> tuple[frozenset[str], ...]:
    """Return per run which of its cases are compared.

    Args:
        runs: all of them.
        common_cases: leave out what a run of the same fold or a whole method lacks; otherwise nothing may be lacking.

    Raises:
        DataError: if runs of a fold or methods differ in their cases, or an evaluation left references out, and
            `common_cases` is false; or if no case is left.
    """
    folds = _folds(runs)
    in_fold = [frozenset.intersection(*(one.cases for one in fold)) for fold in folds]
    common = frozenset.intersection(
        *(_of_method(method, folds, in_fold) for method in dict.fromkeys(one.run.method for one in runs))
    )
    if not common:
        raise DataError("The methods have no case in common; evaluate all their runs on the same cases.")
    problems = [*_differences_in_folds(folds), *_differences_of_methods(folds), *_left_out_by_evaluations(runs)]
    if problems and not common_cases:
        raise DataError(
            "The runs have not the same cases:\n" + "\n".join(f"  - {problem}" for problem in problems) + "\n"
            f"Evaluate the missing ones, or compare on the {len(common)} common cases with --common-cases."
        )
    kept = {id(one): cases & common for fold, cases in zip(folds, in_fold, strict=True) for one in fold}
    return tuple(kept[id(one)] for one in runs)


def listed(names: Iterable[str]) -> str:
    """List names in order, the first of many."""
    every = sorted(names)
    return ", ".join(every[:MOST_LISTED]) + (
        f" and {len(every) - MOST_LISTED} more" if len(every) > MOST_LISTED else ""
    )


def _folds(runs: Sequence[RunCases]) -> list[list[RunCases]]:
    """Gather the runs of each fold, of all methods; where the fold is not known, runs that share a case are of one."""
    known: dict[str, list[RunCases]] = {}
    unknown: list[list[RunCases]] = []
    for one in runs:
        if one.run.fold is not None:
            known.setdefault(str(one.run.fold), []).append(one)
            continue
        sharing = [fold for fold in unknown if any(one.cases & other.cases for other in fold)]
        unknown = [fold for fold in unknown if fold not in sharing]
        unknown.append([*(other for fold in sharing for other in fold), one])
    return [*known.values(), *unknown]


def _of_method(method: str, folds: Sequence[Sequence[RunCases]], in_fold: Sequence[frozenset[str]]) -> frozenset[str]:
    its = (cases for fold, cases in zip(folds, in_fold, strict=True) if any(one.run.method == method for one in fold))
    return frozenset().union(*its)


def _differences_in_folds(folds: Sequence[Sequence[RunCases]]) -> Iterator[str]:
    for fold in folds:
        union = frozenset().union(*(one.cases for one in fold))
        for one in fold:
            if one.cases != union:
                lacking = listed(union - one.cases)
                count = f"{len(one.cases)} of the {len(union)} cases"
                yield f"{one.run.full_label} has {count} of its fold; it lacks {lacking}"


def _differences_of_methods(folds: Sequence[Sequence[RunCases]]) -> Iterator[str]:
    """Tell the folds that a method lacks; what its runs lack of their own folds is told for each run."""
    having: dict[str, frozenset[str]] = {}
    for fold in folds:
        cases = frozenset().union(*(one.cases for one in fold))
        for one in fold:
            having[one.run.method] = having.get(one.run.method, frozenset()) | cases
    union = frozenset().union(*having.values())
    for method, names in having.items():
        if names != union:
            yield f"{method} has {len(names)} of {len(union)}; it lacks {listed(union - names)}"


def _left_out_by_evaluations(runs: Sequence[RunCases]) -> Iterator[str]:
    for one in runs:
        if one.missing:
            count = len(one.missing)
            yield f"{one.run.full_label} was evaluated without {count} that it did not predict: {listed(one.missing)}"
