"""The demo: the whole method on a rendered data set, by the same commands that a user would type."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError, SetupError
from video_triplet.models.run_files import MODEL_FILE, SOFT_LABELS_FILE
from video_triplet.study.configurations import CONFIGURATIONS, ENSEMBLE, Configuration, find_configurations
from video_triplet.study.steps import predictions_file, run_folder

Call = Callable[[Sequence[str]], int]
MARKER = "video-triplet-demo.json"
IMAGE_SIZE = 64
TINY = {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
LARGER = {"embed_dim": 32, "depths": [1, 1, 3, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
ROWS = ("SwinT", "SwinT+MultiT", "SwinT+SelfD", ENSEMBLE)


@dataclass(frozen=True)
class DemoSettings:
    """How large the demo is.

    Attributes:
        videos: Rendered videos.
        frames: Per video.
        folds: Of the cross-validation.
        teacher_epochs: Epochs of each teacher.
        student_epochs: Epochs of each student.
        seed: Of the data set; the trainings have their own.
    """

    videos: int = 8
    frames: int = 80
    folds: int = 2
    teacher_epochs: int = 10
    student_epochs: int = 12
    seed: int = 1


@dataclass(frozen=True)
class DemoFolder:
    """Where everything of a demo is."""

    root: Path

    @property
    def data(self) -> Path:
        """The rendered data set."""
        return self.root / "data"

    @property
    def cache(self) -> Path:
        """Its frames at training size."""
        return self.root / "frames"

    @property
    def runs(self) -> Path:
        """Models, soft labels and predictions."""
        return self.root / "runs"

    @property
    def analysis(self) -> Path:
        """Figures and numbers."""
        return self.root / "analysis"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.root / "report.html"


def run_demo(
    root: Path, settings: DemoSettings, *, call: Call, restart: bool = False, say: Callable[[str], None] = print
) -> Path:
    """Run every step that is not finished, and return the report.

    Args:
        root: Folder of the demo; made if it is not there.
        settings: How large it is.
        call: Runs the arguments of a command of `video-triplet` and returns its exit status.
        restart: Whether to delete what an earlier run of the demo left there.
        say: Gets each command before it runs.

    Raises:
        SetupError: if the folder holds something else, a demo of other settings, or a step fails.
    """
    from video_triplet.demo.report import write_report

    folder, start = DemoFolder(root), time.perf_counter()
    claim(root, settings, restart=restart)
    if not folder.data.is_dir():
        from video_triplet.rendered.triplets import render_dataset

        say(f"render {counted(settings.videos, 'video')} of {counted(settings.frames, 'frame')}")
        render_dataset(folder.data, videos=settings.videos, frames=settings.frames, seed=settings.seed)
    for command in commands(folder, settings):
        run_command(command, call, say)
    write_report(folder, settings, seconds=time.perf_counter() - start)
    return folder.report


def claim(root: Path, settings: DemoSettings, *, restart: bool) -> None:
    """Mark the folder as this demo's, or refuse it.

    Raises:
        SetupError: if it holds something else, or a demo of other settings.
        SettingsError: if the demo would be too small to run.
    """
    folds = max(settings.folds, 2)
    lowest = {"videos": 2 * folds, "frames": 16, "folds": 2, "teacher_epochs": 1, "student_epochs": 1}
    problems = below_lowest(settings, lowest)
    if problems:
        raise SettingsError(problems, source="the demo")
    claim_folder(root, MARKER, vars(settings), restart=restart)


def claim_folder(root: Path, marker_name: str, settings: Mapping[str, Any], *, restart: bool) -> None:
    """Mark a folder as that of a demo with these settings, or refuse it.

    Args:
        root: The folder; made if it is not there.
        marker_name: Of the file that says whose it is.
        settings: What JSON can hold; tuples are lists there.
        restart: Whether to delete what an earlier run of the same demo left there.

    Raises:
        SetupError: if it holds something else, or a demo of other settings.
    """
    from nnunet_dsd.common.files import write_json

    marker, wanted = root / marker_name, json.loads(json.dumps(settings))
    if root.is_dir() and any(root.iterdir()) and not marker.is_file():
        raise SetupError(f"{root} holds something that is not this demo's; choose another folder with -o")
    if restart and marker.is_file():
        shutil.rmtree(root)
    if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) != wanted:
        raise SetupError(f"{root} holds a demo of other settings; add --restart to delete it, or choose another folder")
    write_json(marker, wanted)


def commands(folder: DemoFolder, settings: DemoSettings) -> list[tuple[str, ...]]:
    """Return the arguments of `video-triplet` for each step after rendering."""
    data = ("--data", str(folder.data))
    split = ("--split", "k-fold", "--folds", str(settings.folds), "--validation-videos", "1")
    network = (
        *("--backbone", "swin_tiny_patch4_window7_224", "--backbone-options", json.dumps(TINY)),
        *("--weights", "none", "--image-size", str(IMAGE_SIZE), "--batch-size", "8", "--learning-rate", "0.0005"),
        *("--augmentation", "none"),  # so few frames and epochs would teach less with it
    )
    who = (
        f"teacher:epochs={settings.teacher_epochs}",
        f"student:epochs={settings.student_epochs}",
        *(f"SwinTripletLarge{role}:backbone_options={json.dumps(LARGER)}" for role in ("Teacher", "Student")),
    )
    study = (*data, "--cache", str(folder.cache), *split, "--accelerator", "cpu", "--workers", "0", *network)
    return [
        ("check", str(folder.data)),
        ("prepare", str(folder.data), "-o", str(folder.cache), "--size", str(IMAGE_SIZE), "--workers", "2"),
        ("cross-validate", "-o", str(folder.runs), "--configurations", *ROWS, *study, "--set", *who),
        ("analyse", *data, *analysis_inputs(folder, settings), "-o", str(folder.analysis), "--overwrite"),
        ("predict", str(example_model(folder)), "-i", str(folder.data / "data" / "VID01"),
         "-o", str(folder.analysis / "VID01"), "--video", str(folder.analysis / "VID01.mp4"), "--overwrite"),
    ]  # fmt: skip


def analysis_inputs(folder: DemoFolder, settings: DemoSettings) -> list[str]:
    """Return soft labels and predictions of all folds, as options of `analyse`."""
    folds = range(1, settings.folds + 1)
    rows = [row for row in find_configurations(ROWS) if row.name in ROWS]
    soft = [run_folder(folder.runs, "SwinTripletTeacher", fold) / SOFT_LABELS_FILE for fold in folds]
    predicted = [f"{row.name}={predictions_file(row, fold, folder.runs)}" for row in rows for fold in folds]
    return ["--soft-labels", *map(str, soft), "--predictions", *predicted]


def example_model(folder: DemoFolder) -> Path:
    """Return the model whose predictions are shown: a student with all heads."""
    return run_folder(folder.runs, _phase_student().student, 1) / MODEL_FILE


def _phase_student() -> Configuration:
    return CONFIGURATIONS[CONFIGURATIONS[ENSEMBLE].members[-1]]


def run_command(command: Sequence[str], call: Call, say: Callable[[str], None]) -> None:
    """Run one step in this process.

    Raises:
        SetupError: if it fails; what is finished stays.
    """
    say(f"\n$ video-triplet {shlex.join(command)}")
    if call(command):
        raise SetupError(f"`video-triplet {command[0]}` failed; the same command of the demo goes on from here")
