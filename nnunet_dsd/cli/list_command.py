"""`nnunet-dsd list`: every registered trainer with its kind, one line and its paper."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunet_dsd.common.tables import print_table
from nnunet_dsd.registry import TRAINER_KINDS, RegistryProblem, TrainerEntry, all_trainers, registry_problems

LISTED = ("name", "target", "kind", "summary", "paper")
SUMMARY = "Show every trainer with its kind, one line and its paper."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `list`."""
    parser.add_argument("--kind", choices=TRAINER_KINDS, help="only trainers of this kind")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Print the trainers, those for segmentation first; packages that could not be used are named on standard error."""
    trainers = sorted(all_trainers(arguments.kind), key=lambda entry: TRAINER_KINDS.index(entry.kind))
    problems = registry_problems()
    if arguments.json:
        print(as_json(trainers, problems))
    else:
        print_trainers(trainers)
        for problem in problems:
            print(f"not usable: {problem}", file=sys.stderr)
    return 0


def as_json(trainers: Sequence[TrainerEntry], problems: Sequence[RegistryProblem]) -> str:
    """An object with the list `trainers` (name, target, kind, summary, paper) and the list of strings `problems`."""
    listing = {
        "trainers": [{name: getattr(entry, name) for name in LISTED} for entry in trainers],
        "problems": [str(problem) for problem in problems],
    }
    return json.dumps(listing, indent=2)


def print_trainers(trainers: Sequence[TrainerEntry]) -> None:
    """Print a table per kind; papers are numbered and written out below, since many trainers share one."""
    papers = list(dict.fromkeys(entry.paper for entry in trainers if entry.paper))
    console = Console()
    for kind, entries in groupby(trainers, key=lambda entry: entry.kind):
        table = Table("trainer", escape("what it does [paper]"), title=f"kind: {kind}", title_justify="left")
        for entry in entries:
            number = f" [{papers.index(entry.paper) + 1}]" if entry.paper else ""
            table.add_row(escape(entry.name), escape(entry.summary + number))
        print_table(table, console)
    for position, paper in enumerate(papers, start=1):
        console.print(f"[{position}] {paper}", markup=False, highlight=False, soft_wrap=True)
