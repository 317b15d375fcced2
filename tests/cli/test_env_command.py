"""`nnunet-dsd env`: the line it prints, read back by the shell it is for."""

import argparse
import os
import shutil
import subprocess

import pytest

from nnunet_dsd.cli import env_command
from nnunet_dsd.plugin.startup import SEARCH_FOLDER

AWKWARD = "/my folder/it's $HOME\\`x`"


def test_the_folders_of_the_user_stay_in_front(monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_extTrainer", "/mine")
    parser = argparse.ArgumentParser()
    env_command.add_arguments(parser)
    assert env_command.run(parser.parse_args(["--shell", "bash"])) == 0
    assert capsys.readouterr().out == f"export nnUNet_extTrainer=/mine{os.pathsep}{SEARCH_FOLDER}\n"


@pytest.mark.parametrize(("shell", "program"), [("bash", "bash"), ("bash", "sh"), ("fish", "fish")])
def test_a_shell_reads_back_the_value_whatever_is_in_it(shell, program):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    script = env_command.export_line(shell, AWKWARD) + "\nprintenv nnUNet_extTrainer"
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stdout == AWKWARD + "\n"


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("fish", r"set -gx nnUNet_extTrainer '/it\'s\\'"),
        ("powershell", r"$env:nnUNet_extTrainer = '/it''s\'"),
    ],
)
def test_quotes_are_escaped_the_way_each_shell_wants(shell, line):
    assert env_command.export_line(shell, "/it's\\") == line
