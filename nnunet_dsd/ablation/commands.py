"""The commands of a run, as a user would type them."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import TrainingState
from nnunet_dsd.steps.step import Words


def train_command(study: Study, run: Run) -> Words:
    """Return the training's command."""
    words = ("nnUNetv2_train", study.dataset, run.configuration, str(run.fold), "-tr", run.trainer, "-p", run.plans)
    return (*words, *_device(study))


def how_to_go_on(state: TrainingState) -> Words:
    """Return what is added to a training's command: nothing, `--c` to continue, or `--val` for its validation alone."""
    if state.stage == "not validated":
        return ("--val",)
    return ("--c",) if state.resumable else ()


def predict_command(study: Study, run: Run, places: Places, output: Path) -> Words:
    """Return the prediction of the test cases."""
    words = ("nnUNetv2_predict", "-i", str(places.test_images), "-o", str(output), "-d", study.dataset)
    which = ("-c", run.configuration, "-f", str(run.fold), "-tr", run.trainer, "-p", run.plans)
    mirroring = () if study.mirroring else ("--disable_tta",)
    return (*words, *which, *_device(study), *mirroring)


def evaluate_command(places: Places, predictions: Path, references: Path, output: Path) -> Words:
    """Return the evaluation of predictions against references of the same cases."""
    paths = ("--dataset-json", str(places.dataset_json), "-o", str(output))
    return ("nnunet-dsd", "evaluate", str(predictions), str(references), *paths)


def _device(study: Study) -> Words:
    return ("-device", study.device) if study.device else ()
