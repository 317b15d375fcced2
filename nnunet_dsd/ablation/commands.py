"""The commands of a run, as a user would type them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import TrainingState
from nnunet_dsd.common.errors import SetupError

Command = tuple[str, ...]


def train_command(study: Study, run: Run, state: TrainingState) -> Command:
    """Return the training's command: afresh, continued (`--c`), or its validation alone (`--val`)."""
    if state.stage == "not validated":
        how: Command = ("--val",)
    else:
        how = ("--c",) if state.resumable else ()
    words = ("nnUNetv2_train", study.dataset, run.configuration, str(run.fold), "-tr", run.trainer, "-p", run.plans)
    return (*words, *_device(study), *how)


def predict_command(study: Study, run: Run, places: Places, output: Path) -> Command:
    """Return the prediction of the test cases."""
    words = ("nnUNetv2_predict", "-i", str(places.raw / "imagesTs"), "-o", str(output), "-d", study.dataset)
    which = ("-c", run.configuration, "-f", str(run.fold), "-tr", run.trainer, "-p", run.plans)
    mirroring = () if study.mirroring else ("--disable_tta",)
    return (*words, *which, *_device(study), *mirroring)


def evaluate_command(places: Places, predictions: Path, references: Path, output: Path) -> Command:
    """Return the evaluation of predictions against references of the same cases."""
    paths = ("--dataset-json", str(places.dataset_json), "-o", str(output))
    return ("nnunet-dsd", "evaluate", str(predictions), str(references), *paths)


def program(name: str) -> str:
    """Return the path of a command: the one on the PATH, or the one installed beside this interpreter.

    Raises:
        SetupError: if there is neither.
    """
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name) or (str(beside) if beside.is_file() else None)
    if found is None:
        raise SetupError(
            f"the command {name} is neither on the PATH nor beside {sys.executable}; "
            "activate the environment nnU-Net is installed in (see `nnunet-dsd doctor`)"
        )
    return found


def argv(command: Sequence[str]) -> list[str]:
    """Return what to start for a command."""
    return [program(command[0]), *command[1:]]


def _device(study: Study) -> Command:
    return ("-device", study.device) if study.device else ()
