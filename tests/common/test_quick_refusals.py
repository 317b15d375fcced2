"""A command line with a mistake in it is refused before the libraries of a training are loaded."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "nnunetv2", "lightning", "monai", "matplotlib", "timm", "torchvision", "sklearn")
# Answers command lines, each in a copy of one process: starting Python and loading NumPy would take most of the time.
# Of both packages only what every command line loads is there beforehand.
SCRIPT = """
import importlib, json, os, sys
import nibabel, numpy, packaging.requirements, scipy.ndimage, scipy.spatial, SimpleITK
import nnunet_dsd.cli.main, video_triplet.cli.main

for program in (nnunet_dsd.cli.main, video_triplet.cli.main):
    program.build_parser()  # imports the module of every subcommand

HEAVY, lines = json.load(sys.stdin)
for package, words, folder in lines:
    if hasattr(os, "fork") and (child := os.fork()):
        os.waitpid(child, 0)
        continue
    sys.stdout, sys.stderr = open(f"{folder}.out", "w"), open(f"{folder}.err", "w")
    os.chdir(folder)
    sys.argv = [package]
    try:
        status = importlib.import_module(f"{package}.cli.main").main(words.split())
    except SystemExit as ending:
        status = ending.code
    print("status", status)
    print("loaded", *(name for name in HEAVY if name in sys.modules))
    sys.stdout.close()
    sys.stderr.close()
    os._exit(0)
"""
SEGMENTATION = [
    ("list", 0, ""),
    ("doctor --help", 0, ""),
    ("plan -d 4 -c 2d -o x", 1, "nnUNet_preprocessed is not set"),
    ("plan -d 4 -c 2d -o x --epocs 3", 2, "did you mean --epochs?"),
    ("size -d 4 -c 2d", 1, "nnUNet_preprocessed is not set"),
    ("size -m nowhere", 1, "nowhere: there is no such folder"),
    ("size", 1, "no model is named"),
    ("export nowhere -o x", 1, "nowhere: there is no such folder"),
    ("demo --trainer nnUNetTrainerdsd -o d", 1, "did you mean nnUNetTrainerDSD?"),
    ("demo --trainer ClipFineTuning -o d", 1, "is of kind video, expected segmentation"),
    ("ablate nowhere.json", 1, "there is no study file"),
    ("ablate --paper mmwhs --list", 1, "nnUNet_preprocessed is not set"),
    ("convert mmwhs nowhere -d 5", 1, "nnUNet_raw is not set"),
    ("convert mmwhz nowhere -d 5", 2, "did you mean mmwhs?"),
    ("evaluate nowhere here", 1, "PREDICTIONS nowhere: there is no such folder; REFERENCES here: there is no such"),
    ("evaluate . . --processes 0 --labels a=1", 1, "--processes is 0"),
    ("compare a=nowhere.json -o x", 1, "nowhere.json does not exist"),
    ("compare -o x", 1, "give either --runs RUNS.json or METHOD=EVALUATION.json"),
    ("gradcam -m nowhere -i nowhere -o x --cases a --label 1", 1, "nowhere: there is no such folder"),
]
VIDEO = [
    ("list", 0, ""),
    ("check nowhere", 1, "nowhere is not a folder"),
    ("splits nowhere", 1, "nowhere is not a folder"),
    ("prepare nowhere -o cache", 1, "nowhere is not a folder"),
    ("train -tr SwinTeacher --data nowhere", 1, "did you mean SwinTripletTeacher"),
    ("train -tr swintripletteacher --data nowhere", 1, "did you mean SwinTripletTeacher?"),
    ("train -tr nnUNetTrainerDSD --data nowhere", 1, "is not a trainer for triplets"),
    ("train -tr ClipFineTuning --data nowhere", 1, "is not a trainer for triplets"),
    ("train -tr SwinTripletTeacher --data nowhere", 1, "--data nowhere: there is no such folder"),
    ("train -tr SwinTripletTeacher --data . --cache gone --soft-labels no.npz", 1, "--soft-labels no.npz: there is no"),
    ("train -tr SwinTripletTeacher --data . --preset authors-cod-teacher", 1, "authors-code-teacher"),
    ("select-teacher nowhere --data nowhere -o x", 1, "RUN 1 nowhere: there is no such folder"),
    ("soft-labels nowhere -o x --data nowhere", 1, "there is no model file nowhere"),
    ("soft-labels --choice nowhere.json -o x", 1, "--choice nowhere.json: there is no such file"),
    ("predict nowhere -i nowhere -o x", 1, "there is no model file nowhere"),
    ("ensemble nowhere.npz -o x.npz", 1, "there is no file nowhere.npz"),
    ("cross-validate --data nowhere", 1, "--data nowhere: there is no such folder"),
    ("study-teachers --data nowhere -o x", 1, "--data nowhere: there is no such folder"),
    ("study-teachers -tr SwinTeacher -o x", 1, "did you mean SwinTripletTeacher"),
    ("evaluate nowhere.npz --data nowhere", 1, "nowhere is not a folder"),
    ("analyse --data nowhere -o x --soft-labels s.npz", 1, "nowhere is not a folder"),
    ("check-clips --data nowhere", 1, "nowhere is not a folder"),
    ("prepare-clips --data nowhere -o x", 1, "nowhere is not a folder"),
    ("train-clips -tr ClipFineTuning --data nowhere", 1, "--data nowhere: there is no such folder"),
    ("train-clips -tr ClipFinetuning --data nowhere", 1, "did you mean ClipFineTuning?"),
    ("test-clips nowhere --data nowhere", 1, "there is no model file nowhere"),
    ("study-transfer -o x --ucf101 nowhere", 1, "--ucf101 nowhere: there is no such folder"),
    ("transfer-demo --groups 1", 1, "groups is 1, it must be at least 4"),
    ("demo --videos 0", 1, "videos is 0, it must be at least 4"),
]
CASES = [("nnunet_dsd", *case) for case in SEGMENTATION] + [("video_triplet", *case) for case in VIDEO]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each command line, in which it was given; beside it lies what was said."""
    root = tmp_path_factory.mktemp("answers")
    folders = [root / str(number) for number in range(len(CASES))]
    lines = [(package, words, str(folder)) for (package, words, *_), folder in zip(CASES, folders, strict=True)]
    for folder in folders:
        folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    for together in [lines] if hasattr(os, "fork") else [[line] for line in lines]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps([HEAVY, together]),
            capture_output=True,
            text=True,
            timeout=400,
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        assert (done.returncode, done.stderr) == (0, "")
    return folders


@pytest.mark.parametrize("number", range(len(CASES)), ids=[" ".join(case[:2]) for case in CASES])
def test_a_mistake_is_told_without_the_libraries_of_a_training(number, folders):
    folder, (_, _, status, said) = folders[number], CASES[number]
    errors = folder.with_suffix(".err").read_text()
    assert folder.with_suffix(".out").read_text().splitlines()[-2:] == [f"status {status}", "loaded"], errors
    assert said in errors
    assert list(folder.iterdir()) == []
