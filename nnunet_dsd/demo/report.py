"""The demo's report: what was found, what it looks like, how it was trained, and the commands."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from nnunet_dsd import __version__
from nnunet_dsd.common.files import write_text
from nnunet_dsd.common.report_page import cards, code, page, paragraph, picture, section, side_by_side, table
from nnunet_dsd.demo.assessment import score_rows
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.demo.settings import TEST_CASES, DemoSettings
from nnunet_dsd.distillation.encoder_teacher import describe_encoder_teacher, logged_encoder_dice
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.steps.display import clock
from nnunet_dsd.steps.step import Step

PACKAGES = ("nnunetv2", "torch", "monai", "numpy", "SimpleITK")


def write_report(
    settings: DemoSettings, folder: DemoFolder, steps: Sequence[Step], seconds: Mapping[str, float]
) -> None:
    """Write the report from the files the steps left.

    Args:
        settings: of this run.
        folder: where everything lies.
        steps: those that ran, for their commands.
        seconds: how long each took, by name.
    """
    evaluation = read_evaluation_json(folder.scores_json)
    body = [
        f"<h1>nnU-Net with {settings.trainer}, on a phantom</h1>",
        paragraph(_introduction(settings), soft=True),
        cards(_headline(evaluation, seconds)),
        section("Scores on the test cases", _scores(evaluation), picture(folder.scores_figure, "A dot per test case.")),
        section("Predictions", picture(folder.overlays, "The slice that shows most of both structures, per case.")),
        section("Training", _training(settings, folder)),
        section("Commands", *_commands(folder, steps, seconds)),
        section("Made with", paragraph(_versions())),
    ]
    write_text(folder.report, page(f"nnunet-dsd demo: {settings.trainer}", body))


def _introduction(settings: DemoSettings) -> str:
    return (
        f"Synthetic volumes of two touching structures, seed {settings.seed}: {settings.cases} cases to train on and "
        f"{TEST_CASES} to test. {settings.epochs} epochs of {settings.iterations} steps with half of nnU-Net's "
        f"channels, on {settings.device}. It shows that everything works together; it says nothing about real images."
    )


def _headline(evaluation: Evaluation, seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    names = [structure.name for structure in evaluation.structures]
    dice = [(f"Dice, {name}", f"{evaluation.dice_summary(name).mean:.3f}") for name in names]
    return [*dice, ("minutes in all", clock(sum(seconds.values()))), ("minutes training", clock(seconds["train"]))]


def _scores(evaluation: Evaluation) -> str:
    note = "Mean ± standard deviation. HD95: 95th percentile of the Hausdorff distance; a slice is 2.5 mm thick."
    return table(("structure", "Dice", "HD95 (mm)", "cases"), score_rows(evaluation)) + paragraph(note, soft=True)


def _training(settings: DemoSettings, folder: DemoFolder) -> str:
    fold = folder.fold(settings.trainer)
    pictures = side_by_side(
        picture(fold / "progress.png", "nnU-Net's own progress.png: losses, validation Dice, time and learning rate."),
        picture(fold / "loss_terms.png", "Every term of the loss by epoch, without its weight (loss_terms.png)."),
    )
    logs = sorted(fold.glob("training_log_*.txt"), key=lambda path: path.stat().st_mtime)
    lines = (line for log in logs for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    found = describe_encoder_teacher(logged_encoder_dice(lines))
    return pictures + (paragraph(found) if found else "")


def _commands(folder: DemoFolder, steps: Sequence[Step], seconds: Mapping[str, float]) -> tuple[str, ...]:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in folder.environment.items()]
    commands = [step.shell_line for step in steps if step.command]
    times = [(step.title, clock(seconds[step.name])) for step in steps]
    return (
        paragraph("What the demo ran after it had written the phantom; type the same for data of your own."),
        code("\n".join([*exports, "", *commands])),
        table(("step", "minutes"), times),
    )


def _versions() -> str:
    found = [f"nnunet-dsd {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found) + f"; {platform.system()} on {platform.machine()}."
