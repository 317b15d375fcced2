"""Whether evaluations go together: same structures, same conventions, same references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.runs import Run
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import other_labels

CONVENTIONS = {
    "length_unit": "lengths in",
    "surface_tolerance_mm": "tolerance of the surface Dice",
    "both_empty": "--both-empty",
}


def require_agreement(runs: Sequence[Run], evaluations: Sequence[Evaluation]) -> None:
    """Check that evaluations can be compared with the first one.

    Raises:
        DataError: with every difference: structures, the surface Dice's tolerance, what an absent structure scores,
            scores that are missing or given twice, and references of another size.
    """
    problems = []
    sizes: dict[tuple[str, str], tuple[int, Run]] = {}
    for run, evaluation in zip(runs, evaluations, strict=True):
        problems += [f"{run.label}: {text}" for text in _other_conventions(evaluation, evaluations[0], runs[0])]
        problems += [f"{run.label}: {text}" for text in _incomplete(evaluation)]
        problems += [f"{run.label}: {text}" for text in _other_references(run, evaluation, sizes)]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise DataError(
            f"The evaluations do not go together:\n{listed}\n"
            "Evaluate all runs against the same references with the same options of nnunet-dsd evaluate."
        )


def _other_conventions(evaluation: Evaluation, first: Evaluation, first_run: Run) -> Iterator[str]:
    if evaluation.structures != first.structures:
        got, expected, reason = other_labels(evaluation.structures, first.structures)
        if set(evaluation.structures) == set(first.structures):
            reason = "They are in another order."
        yield f"structures {got}; {first_run.label} has {expected}. {reason}"
    for name, title in CONVENTIONS.items():
        if getattr(evaluation, name) != getattr(first, name):
            yield f"{title} {getattr(evaluation, name)}; {first_run.label} has {getattr(first, name)}"


def _incomplete(evaluation: Evaluation) -> Iterator[str]:
    got = sorted((score.case, score.structure) for score in evaluation.scores)
    expected = sorted((case, structure.name) for case in evaluation.cases for structure in evaluation.structures)
    if got != expected or not got:
        yield f"{len(got)} scores instead of one per case and structure ({len(expected)})"


def _other_references(run: Run, evaluation: Evaluation, sizes: dict[tuple[str, str], tuple[int, Run]]) -> list[str]:
    different = []
    for score in evaluation.scores:
        size, source = sizes.setdefault((score.case, score.structure), (score.reference_voxels, run))
        if size != score.reference_voxels:
            text = f"{score.case}, {score.structure}: {score.reference_voxels} voxels, {size} for {source.label}"
            different.append(text)
    if not different:
        return []
    return [f"references of another size in {len(different)} of {len(evaluation.scores)} scores, first {different[0]}"]
