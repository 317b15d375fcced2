"""The steps of the demo, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunet_dsd.datasets.phantom import write_phantom_dataset
from nnunet_dsd.demo.commands import Command
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.demo.settings import CONFIGURATION, DATASET_ID, PLANS, TEST_CASES, DemoSettings

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
QUICK_PLANS = ("--preset", "trial", "--patch-size", "16", "40", "40")  # a small patch makes the demo shorter still


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a command, or work within this process.

    Attributes:
        name: short name, of the log and the marker.
        title: what is shown.
        parameters: what its outcome depends on, apart from the steps before it.
        outputs: files that exist when it has finished.
        owned: what is deleted before it starts afresh.
        command: the command to run; None if `work` is called.
        resume_flag: added to the command where one of `resume_from` exists.
        work: what to call; None if `command` is run.
        epochs: number of epochs the command will report, 0 if it reports none.
    """

    name: str
    title: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Path, ...]
    owned: tuple[Path, ...]
    command: Command | None = None
    resume_flag: str = ""
    resume_from: tuple[Path, ...] = ()
    work: Callable[[], None] | None = None
    epochs: int = 0

    def command_to_continue(self) -> Command | None:
        """Return the command that goes on where an earlier run of this step stopped, as far as it can."""
        if self.command is None or not any(path.is_file() for path in self.resume_from):
            return self.command
        return replace(self.command, words=(*self.command.words, self.resume_flag))


def nnunet_steps(settings: DemoSettings, folder: DemoFolder) -> tuple[Step, ...]:
    """Return the steps from raw images to predictions; all but the first are commands a user could type."""
    return (
        _phantom(settings, folder),
        _preprocess(folder),
        _plan(settings, folder),
        _train(settings, folder),
        _predict(settings, folder),
    )


def _phantom(settings: DemoSettings, folder: DemoFolder) -> Step:
    def work() -> None:
        write_phantom_dataset(folder.raw, training_cases=settings.cases, test_cases=TEST_CASES, seed=settings.seed)

    return Step(
        name="phantom",
        title=f"phantom: {settings.cases} training and {TEST_CASES} test cases",
        parameters={"cases": settings.cases, "test_cases": TEST_CASES, "seed": settings.seed},
        outputs=(folder.raw / "dataset.json",),
        owned=(folder.raw,),
        work=work,
    )


def _preprocess(folder: DemoFolder) -> Step:
    words = f"nnUNetv2_plan_and_preprocess -d {DATASET_ID} -c {CONFIGURATION} -npfp 2 -np 2"
    return Step(
        name="preprocess",
        title="plan and preprocess",
        outputs=(folder.preprocessed / "nnUNetPlans.json",),
        owned=(folder.preprocessed,),
        command=Command((*words.split(), "--verify_dataset_integrity")),
    )


def _plan(settings: DemoSettings, folder: DemoFolder) -> Step:
    words = (
        f"nnunet-dsd plan -d {DATASET_ID} -c {CONFIGURATION} -o {PLANS} --epochs {settings.epochs} "
        f"--iterations-per-epoch {settings.iterations} --seed {settings.seed}"
    )
    command = Command((*words.split(), *QUICK_PLANS))
    path = folder.preprocessed / f"{PLANS}.json"
    return Step(
        name="plan",
        title="derive plans with a small budget",
        parameters={"words": command.words},
        outputs=(path,),
        owned=(path,),
        command=command,
    )


def _train(settings: DemoSettings, folder: DemoFolder) -> Step:
    fold = folder.fold(settings.trainer)
    words = f"nnUNetv2_train {DATASET_ID} {CONFIGURATION} 0 -tr {settings.trainer} -p {PLANS} -device {settings.device}"
    return Step(
        name="train",
        title=f"train {settings.trainer}",
        parameters={"trainer": settings.trainer, "device": settings.device},
        outputs=(fold / "checkpoint_final.pth", fold / "validation" / "summary.json"),
        owned=(folder.results,),
        command=Command(tuple(words.split())),
        resume_flag="--c",
        resume_from=tuple(fold / name for name in CHECKPOINTS),
        epochs=settings.epochs,
    )


def _predict(settings: DemoSettings, folder: DemoFolder) -> Step:
    options = (
        f"-d {DATASET_ID} -c {CONFIGURATION} -tr {settings.trainer} -p {PLANS} -f 0 -chk checkpoint_final.pth "
        f"-npp 1 -nps 1 -device {settings.device}"
    )
    paths = ("-i", str(folder.raw / "imagesTs"), "-o", str(folder.predictions))
    return Step(
        name="predict",
        title=f"predict {TEST_CASES} test cases",
        parameters={"device": settings.device},
        outputs=tuple(folder.predictions / f"phantom_test_{index:03d}.nii.gz" for index in range(TEST_CASES)),
        owned=(folder.predictions,),
        command=Command(("nnUNetv2_predict", *paths, *options.split())),
    )
