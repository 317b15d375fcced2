"""`nnunet-dsd demo`: everything once, on a phantom, in about five minutes."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.demo.settings import DEFAULT_FOLDER, DEVICES, DemoSettings

SUMMARY = "run everything once on a phantom: plan, train, predict, evaluate, report (about 5 minutes on 2 cores)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; their defaults are those of DemoSettings."""
    parser.add_argument(
        "-o", "--output", type=Path, default=DEFAULT_FOLDER, help="folder to write everything to (default: %(default)s)"
    )
    numbers = {
        "epochs": "epochs to train",
        "iterations": "training steps per epoch",
        "cases": "training cases",
        "seed": "seed of the phantom and of the weights",
    }
    for name, text in numbers.items():
        default = getattr(DemoSettings, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument(
        "--trainer", default=DemoSettings.trainer, help="one of `nnunet-dsd list` (default: %(default)s)"
    )
    parser.add_argument("--device", choices=DEVICES, default=DemoSettings.device, help="(default: %(default)s)")
    parser.add_argument(
        "--clean", action="store_true", help="at the end delete data, model and predictions; keep the report"
    )
    parser.add_argument("--restart", action="store_true", help="start afresh instead of skipping finished steps")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return 0; a step that fails raises."""
    from rich.console import Console

    from nnunet_dsd.demo.pipeline import run_demo

    settings = DemoSettings(
        folder=arguments.output,
        epochs=arguments.epochs,
        iterations=arguments.iterations,
        cases=arguments.cases,
        trainer=arguments.trainer,
        seed=arguments.seed,
        device=arguments.device,
    )
    run_demo(settings, console=Console(), clean=arguments.clean, restart=arguments.restart)
    return 0
