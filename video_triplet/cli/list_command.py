"""`video-triplet list`: the trainers for surgical triplets and for clips."""

from __future__ import annotations

import argparse
import sys

from nnunet_dsd.registry import all_trainers, registry_problems

SUMMARY = "show every trainer for surgical triplets and for clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Print one row per trainer, then their papers."""
    from rich.console import Console
    from rich.table import Table

    from nnunet_dsd.common.tables import print_table

    table = Table("trainer", "what it does")
    for entry in all_trainers("video"):
        table.add_row(entry.name, entry.summary)
    console = Console()
    print_table(table, console)
    for paper in dict.fromkeys(entry.paper for entry in all_trainers("video") if entry.paper):
        console.print(paper, markup=False, highlight=False, soft_wrap=True)
    for problem in registry_problems():
        print(f"not usable: {problem}", file=sys.stderr)
    return 0
