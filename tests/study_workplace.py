"""What the tests of studies share: nnU-Net's folders with made-up data, and programs that imitate its commands."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from example_plans import example_plans

DATASET = "Dataset099_Example"
CASES = [f"case_{index}" for index in range(6)]
SPLITS = [{"train": CASES[2:], "val": CASES[:2]}, {"train": CASES[:2] + CASES[4:], "val": CASES[2:4]}]
TEST_CASES = ["test_0", "test_1"]
ENDING = ".nii.gz"
STUDY = {
    "name": "trial",
    "dataset": "99",
    "configuration": "3d_fullres",
    "plans": {"short": {"preset": "paper", "settings": {"epochs": 3}, "patch_size": [16, 16, 16], "width": 0.5}},
    "trainers": ["nnUNetTrainerBasic", "nnUNetTrainerDSD"],
    "folds": [0],
    "seeds": [1],
}
# What each imitation does is written to CALLS first. A file BEHAVIOUR/TRAINER makes one misbehave.
TRAIN = """#!/bin/bash
echo "train $5 $7 $3 ${*:8}" >> "$CALLS"
fold="$nnUNet_results/Dataset099_Example/$5__$7__$2/fold_$3"
behaviour=$(cat "$BEHAVIOUR/$5" 2> /dev/null)
mkdir -p "$fold"
for epoch in 0 1 2; do
    printf '2026: Epoch %s \\n2026: Epoch time: 1.5 s \\n' $epoch | tee -a "$fold/training_log_1.txt"
    touch "$fold/checkpoint_latest.pth"
    [ $epoch = 1 ] && [ "$behaviour" = fail ] && { echo "out of memory"; exit 3; }
    if [ $epoch = 1 ] && [ "$behaviour" = hang ]; then
        echo hanging >> "$CALLS"; while [ -f "$BEHAVIOUR/$5" ]; do sleep 0.05; done
    fi
done
mv "$fold/checkpoint_latest.pth" "$fold/checkpoint_final.pth"
[ "$behaviour" = lazy ] && exit 0
mkdir -p "$fold/validation"
for number in $((2 * $3)) $((2 * $3 + 1)); do echo $5 $number > "$fold/validation/case_$number.nii.gz"; done
echo '{}' > "$fold/validation/summary.json"
"""
PREDICT = """#!/bin/bash
echo "predict ${12}" >> "$CALLS"
behaviour=$(cat "$BEHAVIOUR/predict" 2> /dev/null)
mkdir -p "$4"
for number in 0 1; do
    echo "${12}" > "$4/test_$number.nii.gz"
    [ "$behaviour" = hang ] && { echo hanging >> "$CALLS"; while [ -f "$BEHAVIOUR/predict" ]; do sleep 0.05; done; }
    [ "$behaviour" = half ] && exit 0
done
exit 0
"""
OURS = """#!/bin/bash
if [ "$1" = evaluate ]; then
    echo "evaluate $(basename "$7")" >> "$CALLS"
    for name in $(ls "$3"); do [ -f "$2/$name" ] || { echo "no prediction of $name"; exit 1; }; done
    mkdir -p "$7"; ls "$3" > "$7/evaluation.json"
elif [ "$1" = compare ]; then
    echo "compare ${*:6}" >> "$CALLS"
    mkdir -p "$5"; cp "$3" "$5/report.html"
else
    exec PYTHON -m nnunet_dsd "$@"
fi
"""


class StudyWorkplace:
    """nnU-Net's folders, a study file and an output folder, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls_file, self.behaviour = root / "calls.txt", root / "behaviour"
        self.behaviour.mkdir()
        self.output, self.file = root / "output", root / "study.json"
        self.preprocessed = root / "nnUNet_preprocessed" / DATASET
        self.raw = root / "nnUNet_raw" / DATASET
        self.results = root / "nnUNet_results" / DATASET
        self.results.parent.mkdir()
        self._write_data()
        self._write_programs()
        self.declare()

    @property
    def environment(self) -> dict[str, str]:
        folders = {name: str(self.root / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
        path = os.pathsep.join((str(self.root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
        return {**folders, "PATH": path, "CALLS": str(self.calls_file), "BEHAVIOUR": str(self.behaviour)}

    def declare(self, **changes: object) -> dict:
        """Write the study file; None takes an entry out."""
        content = {name: value for name, value in {**STUDY, **changes}.items() if value is not None}
        self.file.write_text(json.dumps(content))
        return copy.deepcopy(content)

    def misbehave(self, who: str, how: str) -> None:
        (self.behaviour / who).write_text(how)

    def behave(self, who: str) -> None:
        (self.behaviour / who).unlink()

    def calls(self) -> list[str]:
        """Return what the imitations were called with since the last time, and forget it."""
        if not self.calls_file.exists():
            return []
        lines = [line.strip() for line in self.calls_file.read_text().splitlines()]
        self.calls_file.unlink()
        return lines

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start `nnunet-dsd ablate` in a process of its own."""
        words = [sys.executable, "-m", "nnunet_dsd", "ablate", str(self.file), "-o", str(self.output), *options]
        return subprocess.Popen(
            words,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def fold(self, trainer: str, *, plans: str = "trial_short_seed1", fold: object = 0) -> Path:
        return self.results / f"{trainer}__{plans}__3d_fullres" / f"fold_{fold}"

    def name(self, trainer: str, *, plans: str = "trial_short_seed1", fold: object = 0) -> str:
        return f"{trainer}__{plans}__3d_fullres__fold_{fold}"

    def _write_data(self) -> None:
        for folder in (self.preprocessed / "nnUNetPlans_3d_fullres", self.preprocessed / "gt_segmentations"):
            folder.mkdir(parents=True)
        for name in ("imagesTr", "imagesTs", "labelsTs"):
            (self.raw / name).mkdir(parents=True)
        (self.preprocessed / "nnUNetPlans.json").write_text(json.dumps(example_plans()))
        description = {"labels": {"background": 0, "organ": 1}, "file_ending": ENDING}
        (self.preprocessed / "dataset.json").write_text(json.dumps(description))
        (self.preprocessed / "splits_final.json").write_text(json.dumps(SPLITS))
        for case in CASES:
            write_label_image(self.preprocessed / "gt_segmentations" / f"{case}{ENDING}")
            write_label_image(self.raw / "imagesTr" / f"{case}_0000{ENDING}")
        for case in TEST_CASES:
            write_label_image(self.raw / "imagesTs" / f"{case}_0000{ENDING}")
            write_label_image(self.raw / "labelsTs" / f"{case}{ENDING}")

    def _write_programs(self) -> None:
        (self.root / "bin").mkdir()
        ours = OURS.replace("PYTHON", sys.executable)
        for name, text in (("nnUNetv2_train", TRAIN), ("nnUNetv2_predict", PREDICT), ("nnunet-dsd", ours)):
            path = self.root / "bin" / name
            path.write_text(text)
            path.chmod(0o755)


def write_label_image(path: Path, *, value: int = 1, size: int = 4) -> None:
    """Write a small label image: one voxel of a value in a cube."""
    labels = np.zeros((size, size, size), np.uint8)
    labels[1, 1, 1] = value
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(path))


def members_alive(group: int) -> bool:
    """Tell whether a process group has a member that is not merely waiting to be reaped."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False
