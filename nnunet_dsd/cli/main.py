"""Entry point of `nnunet-dsd`: its subcommands, run as every command line of this project is."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_dsd.common.command_line import Program

PROGRAM = Program(
    name="nnunet-dsd",
    description="Self-distillation for unforked nnU-Net v2.",
    package="nnunet_dsd.cli",
    subcommands=(
        "list",
        "env",
        "doctor",
        "plan",
        "size",
        "soft-labels",
        "distill",
        "export",
        "deploy",
        "demo",
        "ablate",
        "convert",
        "evaluate",
        "compare",
        "gradcam",
    ),
)
SUBCOMMANDS = PROGRAM.subcommands
build_parser = PROGRAM.build_parser
load_subcommand = PROGRAM.load_subcommand


def main(argv: Sequence[str] | None = None) -> int:
    """Run `nnunet-dsd`; exit status 0 done, 1 refused with a message, 2 wrong usage, 130 interrupted."""
    return PROGRAM.run(argv)
