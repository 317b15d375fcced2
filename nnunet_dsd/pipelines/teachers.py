"""The teachers on the test cases: predicted by nnU-Net's own commands, one by one and together, and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.commands import evaluate_command
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.run_steps import predict_whole
from nnunet_dsd.ablation.scoring import EVALUATION, missing_test_cases
from nnunet_dsd.steps.step import Step, Words

TOGETHER = "teachers together"


@dataclass(frozen=True)
class Group:
    """Models whose predictions are averaged.

    Attributes:
        name: Its row in the report.
        file: Its name in paths.
        model: Model folder; None: an average of other groups.
        folds: Of the model.
        of: The groups that are averaged.
    """

    name: str
    file: str
    model: Path | None
    folds: tuple[str, ...] = ()
    of: tuple[Group, ...] = ()


def groups(models: Sequence[tuple[Path, tuple[str, ...]]]) -> tuple[Group, ...]:
    """Return what of the teachers is scored: one fold of the first, each model with all its folds, all together.

    Args:
        models: Model folders with their folds.
    """
    whole = tuple(
        Group(_title(folder, folds), f"teacher-{number}", folder, folds)
        for number, (folder, folds) in enumerate(models, start=1)
    )
    folder, folds = models[0]
    single = (Group(f"{_title(folder, folds[:1])} alone", "single-fold", folder, folds[:1]),) if len(folds) > 1 else ()
    together = (Group(TOGETHER, "together", None, of=whole),) if len(whole) > 1 else ()
    return (*single, *whole, *together)


def _title(folder: Path, folds: tuple[str, ...]) -> str:
    which = f"fold {folds[0]}" if len(folds) == 1 else f"{len(folds)} folds"
    return f"teacher {'__'.join(folder.name.split('__')[:2])}, {which}"


def teacher_steps(
    found: Sequence[Group], places: Places, *, checkpoint: str, device: str | None, mirroring: bool
) -> list[Step]:
    """Return the predictions and the scores of all groups, in an order in which each finds what it needs."""
    averaged = any(group.of for group in found)
    options = (*(("-device", device) if device else ()), *(() if mirroring else ("--disable_tta",)))
    steps = []
    for group in found:
        if group.model is not None:
            command: Words = (
                "nnUNetv2_predict_from_modelfolder", "-i", str(places.test_images), "-m", str(group.model), "-f",
                *group.folds, "-chk", checkpoint, *options, *(("--save_probabilities",) if averaged else ()),
            )  # fmt: skip
        else:
            command = ("nnUNetv2_ensemble", "-i", *(str(predictions_of(one, places)) for one in group.of), "-np", "1")
        steps += [_predict(group, command, places), _score(group, places)]
    return steps


def predictions_of(group: Group, places: Places) -> Path:
    """Return the folder of a group's predictions."""
    return places.study / "predictions" / group.file


def evaluation_of(group: Group, places: Places) -> Path:
    """Return the folder of a group's scores."""
    return places.study / "evaluations" / group.file


def runs_of(found: Sequence[Group], places: Places) -> tuple[dict[str, Any], ...]:
    """Return the groups as entries of the list that `nnunet-dsd compare --runs` reads."""
    return tuple(
        {
            "method": group.name,
            "evaluation": str(evaluation_of(group, places) / EVALUATION),
            "predictions": str(predictions_of(group, places)),
        }
        for group in found
    )


def _predict(group: Group, command: Words, places: Places) -> Step:
    output, log = predictions_of(group, places), places.study / "logs" / f"{group.file}-predict.txt"

    def into(folder: Path) -> Words:
        return (*command, "-o", str(folder))

    return Step(
        name=f"predict-{group.file}",
        title=f"predict by {group.name}",
        command=into(output),
        work=lambda start: predict_whole(start, into, output, places, log),
        is_done=lambda: output.is_dir() and not missing_test_cases(output, places),
        log=log,
    )


def _score(group: Group, places: Places) -> Step:
    output = evaluation_of(group, places)
    return Step(
        name=f"evaluate-{group.file}",
        title=f"evaluate {group.name}",
        command=evaluate_command(places, predictions_of(group, places), places.test_labels, output),
        outputs=(output / EVALUATION,),
        is_done=partial(_is_newer, output / EVALUATION, predictions_of(group, places)),
        log=places.study / "logs" / f"{group.file}-evaluate.txt",
    )


def _is_newer(scores: Path, predictions: Path) -> bool:
    return scores.is_file() and predictions.is_dir() and scores.stat().st_mtime >= predictions.stat().st_mtime
