"""A run as steps: its training, the prediction of test cases, its scores; each asked by the files that are there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nnunet_dsd.ablation.commands import evaluate_command, how_to_go_on, predict_command, train_command
from nnunet_dsd.ablation.derived_plans import plans_settings
from nnunet_dsd.ablation.known_trainers import is_nnunets_own
from nnunet_dsd.ablation.places import FINAL, Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.scoring import (
    EVALUATION,
    is_predicted,
    is_scored,
    is_trained,
    missing_test_cases,
    predictions_folder,
    references_for,
)
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import training_state
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, whole_folder
from nnunet_dsd.steps.runner import Job
from nnunet_dsd.steps.step import Start, Step, Words


def job_of(study: Study, run: Run, places: Places) -> Job:
    """Return what has to be done for a run."""
    predict = [_predict(study, run, places)] if study.evaluate_on == "test" else []
    steps = (_train(study, run, places), *predict, score_step(study, run, places))
    return Job(run.name, steps, places.lock(run), places.failure(run))


def score_step(study: Study, run: Run, places: Places) -> Step:
    """Return the evaluation of a run whose cases are predicted."""
    output = places.evaluation(run)

    def work(start: Start) -> None:
        references = references_for(study, run, places)
        start(evaluate_command(places, predictions_folder(study, run, places), references, output))

    return Step(
        name="evaluate",
        title=f"evaluate {run.name}",
        work=work,
        outputs=(output / EVALUATION,),
        is_done=partial(is_scored, study, run, places),
        log=places.log(run, "evaluate"),
    )


def declared_epochs(study: Study, run: Run) -> int | None:
    """Return how many epochs a run has, or None for a trainer of nnU-Net's own, which reads no settings."""
    if is_nnunets_own(run.trainer):
        return None
    choice = next(choice for choice in study.plans if choice.name == run.choice)
    return plans_settings(choice, run.seed).training.epochs


def _train(study: Study, run: Run, places: Places) -> Step:
    fold = places.fold(run)

    def resume_words() -> Words:
        return how_to_go_on(training_state(fold))

    return Step(
        name="train",
        title=f"train {run.name}",
        command=train_command(study, run),
        resume_words=resume_words,
        outputs=(fold / FINAL, fold / "validation" / "summary.json"),
        is_done=partial(is_trained, run, places),
        log=places.log(run, "train"),
        epochs=declared_epochs(study, run),
    )


def _predict(study: Study, run: Run, places: Places) -> Step:
    output, log = places.test_predictions(run), places.log(run, "predict")

    def work(start: Start) -> None:
        predict_whole(start, lambda folder: predict_command(study, run, places, folder), output, places, log)

    return Step(
        name="predict",
        title=f"predict {run.name}",
        command=predict_command(study, run, places, output),
        work=work,
        is_done=partial(is_predicted, study, run, places),
        log=log,
    )


def predict_whole(start: Start, command: Callable[[Path], Words], output: Path, places: Places, log: Path) -> None:
    """Predict all test cases into a folder that is there whole or not at all.

    Args:
        start: Runs a command to its end.
        command: Gives the command that predicts into a folder.
        output: The folder.
        places: Where the test cases are.
        log: Of the command, for the message.

    Raises:
        SetupError: if the command ends without error and a case is missing.
    """
    remove_leftovers(output)
    with whole_folder(output) as temporary:
        words = command(temporary)
        start(words)
        if missing := missing_test_cases(temporary, places):
            raise SetupError(f"{words[0]} ended without error but did not predict {', '.join(missing)}; see {log}")


def remove_leftovers(path: Path) -> None:
    """Delete a folder that is to be made anew, and the parts of it that a killed process left."""
    for leftover in (path, *path.parent.glob(f"{PARTIAL_PREFIX}*-{path.name}")):
        shutil.rmtree(leftover, ignore_errors=True)
