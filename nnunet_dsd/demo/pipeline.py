"""A whole demo run, from the first check to the report."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.tables import print_table
from nnunet_dsd.demo.assessment import score_table
from nnunet_dsd.demo.folder import DemoFolder, check_disk_space, open_demo_folder
from nnunet_dsd.demo.report import write_report
from nnunet_dsd.demo.settings import DemoSettings
from nnunet_dsd.demo.steps import demo_steps
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.registry import require_segmentation_trainer
from nnunet_dsd.steps.display import Display, clock
from nnunet_dsd.steps.lock import Claim, claimed
from nnunet_dsd.steps.markers import Markers, remove
from nnunet_dsd.steps.program import CommandFailedError
from nnunet_dsd.steps.runner import RunContext, run_steps

# OMP_WAIT_POLICY: threads that wait by spinning make a step three times slower once other programs use the cores.
# nnUNet_compile: compiling takes longer than this training.
SMALL_MACHINE = {"nnUNet_n_proc_DA": "2", "OMP_WAIT_POLICY": "PASSIVE", "nnUNet_compile": "f", "MPLBACKEND": "Agg"}


def run_demo(settings: DemoSettings, *, console: Console, clean: bool = False, restart: bool = False) -> DemoFolder:
    """Run the demo, or what an earlier run left to do.

    Args:
        settings: what to run.
        console: where to show it.
        clean: delete data, model and predictions at the end.
        restart: delete everything an earlier run left before starting.

    Returns:
        The folder with the results.

    Raises:
        DistillationError: if something is not in place, or a step fails.
    """
    require_segmentation_trainer(settings.trainer)
    check_device(settings.device)
    folder = open_demo_folder(settings.folder)
    with claimed(folder.lock, end_program=True) as claim:
        if claim is None:
            raise SetupError(
                f"Another demo, or a program that a killed one left, is at work in {folder.root}. Wait for it, end it, "
                "or give another folder with -o."
            )
        if restart:
            remove((*folder.intermediate, *folder.kept))
        check_disk_space(folder)
        seconds = _run(settings, folder, console, claim)
        _show_results(folder, console, sum(seconds.values()))
        if clean:
            remove(folder.intermediate)
            console.print("data, model and predictions were deleted (--clean); report, scores and logs are kept")
    return folder


def check_device(device: str) -> None:
    """Refuse a GPU that torch cannot use.

    Raises:
        SetupError: if there is none.
    """
    if device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise SetupError("--device cuda was asked for, but torch finds no usable GPU here; use --device cpu.")


def child_environment(folder: DemoFolder) -> Mapping[str, str]:
    """Environment of the commands: the demo's own folders, and settings for a small machine where the user has none."""
    return {**{name: os.environ.get(name, value) for name, value in SMALL_MACHINE.items()}, **folder.environment}


def _run(settings: DemoSettings, folder: DemoFolder, console: Console, claim: Claim) -> dict[str, float]:
    steps = demo_steps(settings, folder)
    console.print(f"[bold]nnunet-dsd demo[/] in {escape(str(folder.root))}", soft_wrap=True, highlight=False)
    for name, value in folder.environment.items():
        console.print(f"  [dim]$ export {name}={escape(value)}[/]", soft_wrap=True, highlight=False)
    display = Display(console, len(steps), shows_commands=True)
    context = RunContext(display=display, claim=claim, environment=child_environment(folder))
    try:
        seconds = run_steps(steps, context, markers=Markers(folder.markers, steps))
    except CommandFailedError as error:
        raise SetupError(f"{error}\nRun the same command again to continue here.") from error
    write_report(settings, folder, steps, seconds)
    return seconds


def _show_results(folder: DemoFolder, console: Console, seconds: float) -> None:
    console.print()
    print_table(score_table(read_evaluation_json(folder.scores_json)), console)
    console.print(f"overlays: {escape(str(folder.overlays))}", soft_wrap=True, highlight=False)
    console.print(f"report:   {escape(str(folder.report))}", soft_wrap=True, highlight=False)
    console.print(f"{clock(seconds)} minutes in all", highlight=False)
