"""`nnunet-dsd env`: the line that sets nnU-Net's search path, for those who opted out of the start-up file."""

from __future__ import annotations

import argparse
import os
import shlex

from nnunet_dsd.plugin.startup import SEARCH_PATH_VARIABLE, extended_search_path

SUMMARY = "Print the line that lets nnU-Net find the trainers, for use with eval or a shell's start-up file."
SHELLS = ("bash", "fish", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `env`."""
    default = "powershell" if os.name == "nt" else "bash"
    parser.add_argument("--shell", choices=SHELLS, default=default, help="whose syntax to print (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Print the line; folders that are already in the variable stay in front of ours."""
    print(export_line(arguments.shell, extended_search_path(os.environ.get(SEARCH_PATH_VARIABLE))))
    return 0


def export_line(shell: str, value: str) -> str:
    """One line in the syntax of a shell that sets nnUNet_extTrainer to a value, whatever characters are in it."""
    if shell == "fish":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {SEARCH_PATH_VARIABLE} '{escaped}'"
    if shell == "powershell":
        escaped = value.replace("'", "''")
        return f"$env:{SEARCH_PATH_VARIABLE} = '{escaped}'"
    return f"export {SEARCH_PATH_VARIABLE}={shlex.quote(value)}"
