"""The demo: the whole method on a rendered data set, by the same commands that a user would type."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.steps.folder import claim_folder
from nnunet_dsd.steps.step import Start, Step, Words
from video_triplet.models.run_files import MODEL_FILE, SOFT_LABELS_FILE
from video_triplet.study.configurations import CONFIGURATIONS, ENSEMBLE, Configuration, find_configurations
from video_triplet.study.cross_validation import predictions_file, run_folder
from video_triplet.study.steps import Call, command_step, run_all

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
    root: Path, settings: DemoSettings, call: Call, *, restart: bool = False, console: Console | None = None
) -> Path:
    """Run every step that is not finished, and return the report.

    Args:
        root: Folder of the demo; made if it is not there.
        settings: How large it is.
        call: Runs the commands.
        restart: Whether to delete what an earlier run of the demo left there.
        console: Where the steps are shown.

    Raises:
        SetupError: if the folder holds something else, a demo of other settings, or a step fails.
    """
    from video_triplet.demo.report import write_report

    folder, start = DemoFolder(root), time.perf_counter()
    claim(root, settings, restart=restart)
    steps = demo_steps(folder, settings)
    run_all(steps, call, console=console, shows_commands=True)
    write_report(folder, settings, steps, seconds=time.perf_counter() - start)
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


def demo_steps(folder: DemoFolder, settings: DemoSettings) -> list[Step]:
    """Return the rendering and a command for each step after it."""

    def render(start: Start) -> None:
        from video_triplet.rendered.triplets import render_dataset

        render_dataset(folder.data, videos=settings.videos, frames=settings.frames, seed=settings.seed)

    title = f"render {counted(settings.videos, 'video')} of {counted(settings.frames, 'frame')}"
    first = Step(name="render", title=title, work=render, is_done=folder.data.is_dir)
    return [first, *(command_step(title, words) for title, words in commands(folder, settings).items())]


def commands(folder: DemoFolder, settings: DemoSettings) -> dict[str, Words]:
    """Return the arguments of `video-triplet` for each step after rendering, by what it does."""
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
    return {
        "check the data set": ("check", str(folder.data)),
        "decode its frames": (
            *("prepare", str(folder.data), "-o", str(folder.cache)),
            *("--size", str(IMAGE_SIZE), "--workers", "2"),
        ),
        "cross-validate": (
            *("cross-validate", "-o", str(folder.runs), "--configurations", *ROWS),
            *(*study, "--set", *who),
        ),
        "draw the paper's figures": (
            *("analyse", *data, *analysis_inputs(folder, settings)),
            *("-o", str(folder.analysis), "--overwrite"),
        ),
        "annotate a video": (
            *("predict", str(example_model(folder)), "-i", str(folder.data / "data" / "VID01")),
            *("-o", str(folder.analysis / "VID01"), "--video", str(folder.analysis / "VID01.mp4"), "--overwrite"),
        ),
    }


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
