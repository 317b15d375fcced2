"""The transfer demo: what a pre-trained encoder forgets when it is fine-tuned, with and without its own teaching.

An encoder learns motions (the source task), is fine-tuned to shapes (the target task) with several weights of the
epoch-wise term, and a linear probe on the frozen encoder says how much of the motions is left. Every step is a command
that a user could type, apart from rendering and the probe.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.json_files import json_or_none
from nnunet_dsd.steps.folder import claim_folder
from nnunet_dsd.steps.step import Start, Step, Words
from video_triplet.models.run_files import MODEL_FILE
from video_triplet.rendered.clips import ClipSize, render_clips
from video_triplet.study.steps import Call, command_step, run_all

TASKS = {"source": "motions", "target": "shapes"}
MARKER = "video-triplet-transfer.json"
PROBE_FILE = "probe.json"
TEST_RESULT = "test/test.json"
FRESH_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class TransferSettings:
    """How large the demo is.

    Attributes:
        lambdas: Weights of the epoch-wise term; 0 is plain fine-tuning and must be among them.
        seeds: Of the fine-tunings; the source model is one.
        source_epochs: Of the pre-training.
        target_epochs: Of each fine-tuning.
        learning_rate: Of both.
        groups: Of each class.
        clips: Of each group.
        width: Channels of the first of C3D's convolutions.
        data_seed: Of the rendered clips.
    """

    lambdas: tuple[float, ...] = (0.0, 0.1, 1.0, 10.0)
    seeds: tuple[int, ...] = (1, 2, 3)
    source_epochs: int = 15
    target_epochs: int = 12
    learning_rate: float = 0.02
    groups: int = 12
    clips: int = 5
    width: int = 8
    data_seed: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible numbers, all at once."""
        lowest = {"source_epochs": 1, "target_epochs": 1, "groups": 4, "clips": 1, "width": 1}
        problems = below_lowest(self, lowest)
        lowest_seed = min((*self.seeds, self.data_seed), default=-1)
        if 0.0 not in self.lambdas or not all(0 <= value < float("inf") for value in self.lambdas):
            problems.append(f"lambdas are {self.lambdas}; they must be finite, not below 0, and 0 must be among them")
        if len({f"{value:g}" for value in self.lambdas}) < len(self.lambdas):
            problems.append(f"lambdas are {self.lambdas}; give each once, different in their first six digits")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or lowest_seed < 0:
            problems.append(f"seeds are {self.seeds} and {self.data_seed}; give at least one, each once, none below 0")
        if not 0 < self.learning_rate < float("inf"):
            problems.append(f"learning_rate is {self.learning_rate}, it must be above 0")
        if problems:
            raise SettingsError(problems, source="the transfer demo")


@dataclass(frozen=True)
class TransferFolder:
    """Where everything is."""

    root: Path

    def data(self, task: str) -> Path:
        """Return the rendered data set of `"source"` or `"target"`."""
        return self.root / "data" / task

    def cache(self, task: str) -> Path:
        """Return its decoded frames."""
        return self.root / "frames" / task

    @property
    def source_run(self) -> Path:
        """The pre-training."""
        return self.root / "runs" / "source"

    def target_run(self, lambda_: float, seed: int) -> Path:
        """Return a fine-tuning."""
        return self.root / "runs" / f"lambda_{lambda_:g}_seed_{seed}"


def run_transfer_demo(
    root: Path, settings: TransferSettings, call: Call, *, restart: bool = False, console: Console | None = None
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
    from video_triplet.demo.transfer_results import collect, write_results

    folder, console = TransferFolder(root), console or Console()
    claim_folder(root, MARKER, asdict(settings), restart=restart)
    run_all(demo_steps(folder, settings), call, console=console, shows_commands=True)
    return write_results(folder, settings, collect(folder, settings, say=partial(console.print, highlight=False)))


def demo_steps(folder: TransferFolder, settings: TransferSettings) -> list[Step]:
    """Return the rendering of both tasks and a command for each step after it."""
    steps = [_rendering(folder, settings, task, kind) for task, kind in TASKS.items()]
    for title, words in commands(folder, settings).items():
        step = command_step(title, words)
        steps.append(replace(step, is_done=partial(tested, Path(words[1]))) if words[0] == "test-clips" else step)
    return steps


def commands(folder: TransferFolder, settings: TransferSettings) -> dict[str, Words]:
    """Return the arguments of `video-triplet` for each step after rendering, by what it does."""
    steps: dict[str, Words] = {}
    for task in TASKS:
        data = ("--data", str(folder.data(task)))
        steps[f"check {task}"] = ("check-clips", *data)
        cache = ("-o", str(folder.cache(task)))
        steps[f"decode {task}"] = ("prepare-clips", *data, *cache, "--size", "48", "64", "--workers", "1")
    network = (
        *("--encoder", "c3d", "--encoder-options", json.dumps({"width": settings.width})),
        *("--frames", "8", "--stride", "3", "--clip-size", "40", "--no-augmentation", "--batch-size", "8"),
        *("--learning-rate", str(settings.learning_rate), "--choose-epoch", "last"),
        *("--accelerator", "cpu", "--workers", "0"),
    )
    source = folder.source_run
    steps[f"train {source.name}"] = _training(folder, "source", source, 0.0, 1, settings.source_epochs, network)
    for seed in settings.seeds:
        for lambda_ in settings.lambdas:
            run = folder.target_run(lambda_, seed)
            start = ("--weights", str(folder.source_run / MODEL_FILE))
            options = (*network, *start)
            steps[f"train {run.name}"] = _training(
                folder, "target", run, lambda_, seed, settings.target_epochs, options
            )
            place = ("--data", str(folder.data("target")), "--cache", str(folder.cache("target")))
            machine = ("--device", "cpu", "--workers", "0")
            steps[f"test {run.name}"] = ("test-clips", str(run / MODEL_FILE), *place, *machine, "--overwrite")
    return steps


def tested(model: Path) -> bool:
    """Return whether a test has left its result for the model that is there."""
    from video_triplet.models.model_file import read_record

    result = model.parent / TEST_RESULT
    if not result.is_file():
        return False
    there = json_or_none(result)  # a damaged one is made anew
    return bool(there and there["model"]["checkpoint"] == read_record(model).checkpoint)


def _rendering(folder: TransferFolder, settings: TransferSettings, task: str, kind: str) -> Step:
    def work(start: Start) -> None:
        size = ClipSize(groups=settings.groups, clips=settings.clips)
        render_clips(folder.data(task), kind, size=size, seed=settings.data_seed)  # type: ignore[arg-type]

    title = f"render the {task} task: {kind}"
    return Step(name=f"render {task}", title=title, work=work, is_done=folder.data(task).is_dir)


def _training(
    folder: TransferFolder, task: str, run: Path, lambda_: float, seed: int, epochs: int, options: Words
) -> Words:
    trainer = "ClipFineTuningEpochSD" if lambda_ else "ClipFineTuning"
    data = ("--data", str(folder.data(task)), "--cache", str(folder.cache(task)))
    term = ("--epoch-lambda", f"{lambda_:g}") if lambda_ else ()
    numbers = ("--epochs", str(epochs), "--seed", str(seed))
    return ("train-clips", "-tr", trainer, "-o", str(run), *data, *options, *term, *numbers)
