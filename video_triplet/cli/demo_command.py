"""`video-triplet demo`: everything once on a rendered data set."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "run everything once on rendered videos: check, prepare, teacher, soft labels, student, ensemble, report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the size."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("video-triplet-demo"), help="folder for everything (%(default)s)"
    )
    parser.add_argument("--videos", type=int, default=8, help="videos to render (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=80, help="frames per video (default: %(default)s)")
    parser.add_argument("--folds", type=int, default=2, help="of the cross-validation (default: %(default)s)")
    parser.add_argument("--teacher-epochs", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--student-epochs", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the rendered data (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="start afresh instead of going on")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and say where its report is."""
    from video_triplet.cli.main import main
    from video_triplet.demo.pipeline import DemoSettings, run_demo

    settings = DemoSettings(
        videos=arguments.videos,
        frames=arguments.frames,
        folds=arguments.folds,
        teacher_epochs=arguments.teacher_epochs,
        student_epochs=arguments.student_epochs,
        seed=arguments.seed,
    )
    report = run_demo(arguments.output, settings, main, restart=arguments.restart)
    print(f"\nreport: {report.resolve()}")
    return 0
