"""The README's shell blocks run when pasted one after the other."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from real_data import write_hippocampus

from nnunet_dsd.datasets.phantom import write_phantom_dataset

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
SET_UP = [block for block in BLOCKS if block.startswith("pip install")]  # what made the environment of this test
PASTED = [block for block in BLOCKS if block not in SET_UP and "# needs a GPU" not in block]
FOR_LATER = re.compile(r"^.*(?:-triplet demo).*$", re.MULTILINE)  # minutes; the slow test runs it
DATASET = "Dataset004_Hippocampus"


def paste(text, home, *, first=()):
    """Run shell lines as one terminal would, from a fresh home, and stop at the first that fails.

    Programs in the folders `first` are found before those of this environment.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    folders = [*first, Path(sys.executable).parent, environment["PATH"]]
    environment |= {"HOME": str(home), "PATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=home, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def stand_ins(folder):
    """A folder with programs that take the place of nnU-Net's, which train for minutes."""
    folder.mkdir()
    source = (Path(__file__).parent / "nnunet_stand_in.py").resolve()
    for name in ("plan_and_preprocess", "train", "predict"):
        program = folder / f"nnUNetv2_{name}"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {source} {name} "$@"\n')
        program.chmod(0o755)
    return folder


def test_the_set_up_is_the_two_commands():
    (block,) = SET_UP
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert commands == ["pip install . && nnunet-dsd demo", "pip install '.[test]' && pytest"]


def test_pictures_come_before_explanations_and_the_page_is_short():
    assert README.index("![") < README.index("## ")
    assert len(README) < 6600  # half of what it was


def test_every_picture_is_there():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert len(pictures) == 3
    assert all((Path(__file__).parents[2] / picture).is_file() for picture in pictures)


def test_the_blocks_run_one_after_the_other(tmp_path):
    write_phantom_dataset(tmp_path / "nnunet" / "raw" / DATASET, training_cases=5, test_cases=2, seed=1)
    text = FOR_LATER.sub("", "".join(PASTED))
    printed = paste(text, tmp_path, first=[stand_ins(tmp_path / "bin")])
    assert "0 problems" in printed
    assert (tmp_path / "report" / "report.html").is_file()
    with (tmp_path / "sizes.csv").open() as file:
        teacher, student = (float(row["parameters"]) for row in csv.DictReader(file))
    assert student < 0.3 * teacher


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_blocks_end_in_something_to_look_at_on_real_images(tmp_path):
    write_hippocampus(tmp_path / "nnunet" / "raw" / DATASET, training_cases=30, test_cases=6)
    paste("".join(PASTED), tmp_path)
    results = tmp_path / "nnunet" / "results" / DATASET
    for trainer in ("Stock", "DSD"):
        fold = results / f"nnUNetTrainer{trainer}__nnUNetPlans_trial__3d_fullres" / "fold_0"
        summary = json.loads((fold / "validation" / "summary.json").read_text())
        assert summary["foreground_mean"]["Dice"] > 0.75
    assert (tmp_path / "report" / "report.html").is_file()
