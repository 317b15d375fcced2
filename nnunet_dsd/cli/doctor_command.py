"""`nnunet-dsd doctor`: looks at the installation, says what is found, what is not, and what to do."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from nnunet_dsd.cli.doctor_discovery import check_lookup, check_registry, check_search_path, check_startup_file
from nnunet_dsd.cli.doctor_findings import Finding
from nnunet_dsd.cli.doctor_machine import check_compile, check_device, check_folders
from nnunet_dsd.cli.doctor_versions import check_python, check_requirements
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.tables import print_table

SUMMARY = "Check the installation, nnU-Net's folders and the machine; say what to do about each problem."
CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    check_python,
    check_requirements,
    check_startup_file,
    check_search_path,
    check_registry,
    check_lookup,
    check_folders,
    check_device,
    check_compile,
)
STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`doctor` takes no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Run every check and print the table; 1 if there is a problem, 0 otherwise."""
    findings = [finding for check in CHECKS for finding in check()]
    print_findings(findings)
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def print_findings(findings: Sequence[Finding]) -> None:
    """Print one row per finding, with what to do under what was found, and a count."""
    table = Table("check", "state", Column("found", overflow="fold"), show_lines=True)
    for finding in findings:
        style = STYLES[finding.state]
        text = finding.found + (f"\n-> {finding.advice}" if finding.advice else "")
        table.add_row(escape(finding.check), f"[{style}]{finding.state}[/]", escape(text))
    console = Console()
    print_table(table, console)
    found = Counter(finding.state for finding in findings)
    counts = f"{found['ok']} ok, {counted(found['warning'], 'warning')}, {counted(found['problem'], 'problem')}"
    console.print(counts, highlight=False)
