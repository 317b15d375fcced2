"""The steps of the demo, in order."""

from __future__ import annotations

from dataclasses import replace

from nnunet_dsd.datasets.phantom import write_phantom_dataset
from nnunet_dsd.demo.assessment import assess
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.demo.settings import CONFIGURATION, DATASET_ID, PLANS, TEST_CASES, DemoSettings
from nnunet_dsd.steps.step import Start, Step, Words

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
QUICK_PLANS = ("--preset", "trial", "--patch-size", "16", "40", "40")  # a small patch makes the demo shorter still


def demo_steps(settings: DemoSettings, folder: DemoFolder) -> tuple[Step, ...]:
    """Return the steps of the demo; all but the first and last are commands a user could type."""
    steps = (
        _phantom(settings, folder),
        _preprocess(folder),
        _plan(settings, folder),
        _train(settings, folder),
        _predict(settings, folder),
        _evaluate(folder),
    )
    return tuple(
        replace(step, log=folder.logs / f"{number:02d}_{step.name}.log") for number, step in enumerate(steps, start=1)
    )


def _phantom(settings: DemoSettings, folder: DemoFolder) -> Step:
    def work(start: Start) -> None:
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
        command=(*words.split(), "--verify_dataset_integrity"),
    )


def _plan(settings: DemoSettings, folder: DemoFolder) -> Step:
    words = (
        f"nnunet-dsd plan -d {DATASET_ID} -c {CONFIGURATION} -o {PLANS} --epochs {settings.epochs} "
        f"--iterations-per-epoch {settings.iterations} --seed {settings.seed}"
    )
    command = (*words.split(), *QUICK_PLANS)
    path = folder.preprocessed / f"{PLANS}.json"
    return Step(
        name="plan",
        title="derive plans with a small budget",
        parameters={"words": command},
        outputs=(path,),
        owned=(path,),
        command=command,
    )


def _train(settings: DemoSettings, folder: DemoFolder) -> Step:
    fold = folder.fold(settings.trainer)
    words = f"nnUNetv2_train {DATASET_ID} {CONFIGURATION} 0 -tr {settings.trainer} -p {PLANS} -device {settings.device}"

    def resume_words() -> Words:
        return ("--c",) if any((fold / name).is_file() for name in CHECKPOINTS) else ()

    return Step(
        name="train",
        title=f"train {settings.trainer}",
        parameters={"trainer": settings.trainer, "device": settings.device},
        outputs=(fold / "checkpoint_final.pth", fold / "validation" / "summary.json"),
        owned=(folder.results,),
        command=tuple(words.split()),
        resume_words=resume_words,
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
        command=("nnUNetv2_predict", *paths, *options.split()),
    )


def _evaluate(folder: DemoFolder) -> Step:
    outputs = (folder.scores_csv, folder.scores_json, folder.overlays, folder.scores_figure)
    return Step(
        name="evaluate",
        title="evaluate: Dice, HD95, figures",
        outputs=outputs,
        owned=outputs,
        work=lambda start: assess(folder),
    )
