"""Entry point of `video-triplet`: its subcommands, run as every command line of this project is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from nnunet_dsd.common.command_line import Program

PROGRAM = Program(
    name="video-triplet",
    description="Self-distilled recognition of surgical action triplets.",
    package="video_triplet.cli",
    subcommands=(
        "list",
        "check",
        "splits",
        "prepare",
        "train",
        "select-teacher",
        "soft-labels",
        "predict",
        "deploy",
        "ensemble",
        "cross-validate",
        "study-teachers",
        "evaluate",
        "analyse",
        "check-clips",
        "prepare-clips",
        "train-clips",
        "test-clips",
        "transfer-demo",
        "study-transfer",
        "demo",
    ),
)
SUBCOMMANDS = PROGRAM.subcommands
build_parser = PROGRAM.build_parser
load_subcommand = PROGRAM.load_subcommand


def main(argv: Sequence[str] | None = None) -> int:
    """Run `video-triplet`; exit status 0 done, 1 refused with a message, 2 wrong usage, 130 interrupted."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    return PROGRAM.run(argv)
