"""`video-triplet transfer-demo`: what fine-tuning forgets, measured on rendered clips."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SUMMARY = "pre-train, fine-tune with and without epoch-wise self-distillation on rendered clips, measure what is kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the size."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("transfer-demo"), help="folder for everything (%(default)s)"
    )
    parser.add_argument(
        "--lambdas", type=float, nargs="+", metavar="L", help="weights of the term; 0 must be among them"
    )
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="of the fine-tunings")
    parser.add_argument("--source-epochs", type=int, help="of the pre-training")
    parser.add_argument("--target-epochs", type=int, help="of each fine-tuning")
    parser.add_argument("--learning-rate", type=float, help="of both")
    parser.add_argument("--groups", type=int, help="of each class; at least 4")
    parser.add_argument("--clips", type=int, help="of each group")
    parser.add_argument("--width", type=int, help="channels of the first convolution of C3D")
    parser.add_argument("--data-seed", type=int, help="of the rendered clips")
    parser.add_argument("--restart", action="store_true", help="start afresh instead of going on")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, print its table and say where its report is."""
    import dataclasses

    from video_triplet.cli.main import main
    from video_triplet.demo.transfer import TransferSettings, run_transfer_demo

    values = {spec.name: getattr(arguments, spec.name) for spec in dataclasses.fields(TransferSettings)}
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if v is not None
    }
    report = run_transfer_demo(arguments.output, TransferSettings(**given), main, restart=arguments.restart)
    print((arguments.output / "table.md").read_text(encoding="utf-8"))
    print(f"report: {report.resolve()}")
    return 0
