"""What the transfer demo found: accuracy on the target task and what is left of the source task, per run."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.drawing import FAINT, OTHER, REFERENCE, new_figure, save_png, tidy
from nnunet_dsd.common.files import write_json, write_rows, write_text
from nnunet_dsd.common.markdown_tables import markdown_table, mean_and_deviation
from nnunet_dsd.common.report_page import code, page, paragraph, picture, section, table
from video_triplet.clips.cache import ClipCache
from video_triplet.clips.model_file import ClipModel, load_clip_model
from video_triplet.clips.probe import fresh_copy, linear_probe_accuracy, video_features
from video_triplet.clips.reading import open_clips
from video_triplet.clips.splits import official_split
from video_triplet.demo.transfer import (
    FRESH_SEEDS,
    PROBE_FILE,
    TEST_RESULT,
    TransferFolder,
    TransferSettings,
    commands,
)
from video_triplet.models.model_file import read_record
from video_triplet.models.run_files import MODEL_FILE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from video_triplet.clips.networks import ClipNetwork


@dataclass(frozen=True)
class TransferRow:
    """One fine-tuning, in percent.

    Attributes:
        epoch_lambda: Weight of the epoch-wise term.
        seed: Of the fine-tuning.
        target_acc1: Acc@1 on the target task's test videos.
        source_probe: Accuracy of a linear probe for the source task on the fine-tuned, frozen encoder.
    """

    epoch_lambda: float
    seed: int
    target_acc1: float
    source_probe: float


@dataclass(frozen=True)
class TransferResult:
    """Everything, in percent.

    Attributes:
        rows: One per fine-tuning.
        before: The probe on the pre-trained encoder.
        untrained: The probe on encoders with new random weights, a mean: what says nothing about forgetting.
    """

    rows: tuple[TransferRow, ...]
    before: float
    untrained: float


def collect(folder: TransferFolder, settings: TransferSettings, *, say: Callable[[str], None]) -> TransferResult:
    """Read every test and probe every encoder, each once."""
    probe = SourceProbe(folder)
    before = probe.of_run(folder.source_run, say)
    untrained = folder.source_run / "probe_untrained.json"
    if not untrained.is_file():
        say("probe encoders with random weights")
        source = load_clip_model(folder.source_run / MODEL_FILE)
        found = [probe.accuracy(source, fresh_copy(source.network, seed)) for seed in range(FRESH_SEEDS)]
        write_json(untrained, {"accuracy": statistics.fmean(found), "of": found})
    rows = []
    for seed in settings.seeds:
        for lambda_ in settings.lambdas:
            run = folder.target_run(lambda_, seed)
            accuracy = json.loads((run / TEST_RESULT).read_text(encoding="utf-8"))["acc1"]
            rows.append(TransferRow(lambda_, seed, 100 * accuracy, 100 * probe.of_run(run, say)))
    floor = json.loads(untrained.read_text(encoding="utf-8"))["accuracy"]
    return TransferResult(tuple(rows), 100 * before, 100 * floor)


class SourceProbe:
    """Probes encoders for the source task: its training list trains the probe, its test list scores it."""

    def __init__(self, folder: TransferFolder) -> None:
        self.dataset = open_clips(folder.data("source"))
        self.source = ClipCache.open(folder.cache("source"))
        split = official_split(self.dataset, 1, validation_fraction=0)
        self.training, self.test = self.dataset.subset(split.training), self.dataset.subset(split.test)

    def of_run(self, run: Path, say: Callable[[str], None]) -> float:
        """Return the probe's accuracy for a run's model, a fraction; written beside the model the first time."""
        path = run / PROBE_FILE
        if path.is_file():
            there = json.loads(path.read_text(encoding="utf-8"))
            if there["checkpoint"] == read_record(run / MODEL_FILE).checkpoint:
                return float(there["accuracy"])
        say(f"probe {run.name} for the source task")
        model = load_clip_model(run / MODEL_FILE)
        accuracy = self.accuracy(model, model.network)
        write_json(path, {"accuracy": accuracy, "checkpoint": model.record.checkpoint})
        return accuracy

    def accuracy(self, model: ClipModel, network: ClipNetwork) -> float:
        """Return the probe's accuracy for a network that takes the model's clips."""
        settings = model.settings
        train, test = (
            video_features(
                network,
                videos,
                self.source,
                frames=settings.frames,
                size=settings.clip_size,
                stride=settings.stride,
            )
            for videos in (self.training, self.test)
        )
        return linear_probe_accuracy(train, test)


def write_results(folder: TransferFolder, settings: TransferSettings, result: TransferResult) -> Path:
    """Write `results.csv`, `table.md`, `transfer.png` and `report.html`; return the report's path."""
    root = folder.root
    write_rows(root / "results.csv", TransferRow, result.rows)
    write_text(root / "table.md", as_markdown(settings, result))
    draw(settings, result, root / "transfer.png")
    lines = "\n".join(f"video-triplet {shlex.join(command)}" for command in commands(folder, settings).values())
    header, *cells = table_rows(settings, result)
    body = [
        "<h1>What fine-tuning forgets</h1>",
        paragraph(
            "A small C3D learns how rendered shapes move, then which shapes they are. It shows that everything works; "
            "its numbers say nothing about videos of people.",
            soft=True,
        ),
        picture(root / "transfer.png", "Target accuracy and what is left of the source task, by lambda."),
        section("Numbers", table(header, cells), paragraph(sentence(settings, result), soft=True)),
        section("The commands", code(lines)),
    ]
    write_text(root / "report.html", page("video-triplet transfer demo", body))
    return root / "report.html"


def table_rows(settings: TransferSettings, result: TransferResult) -> list[list[str]]:
    """Return the header and one row per lambda: means over seeds, in percent."""
    rows = [["lambda", "target Acc@1", "source probe", "source kept, of what was learned"]]
    for lambda_ in settings.lambdas:
        own = [row for row in result.rows if row.epoch_lambda == lambda_]
        kept = [kept_fraction(row.source_probe, result) for row in own]
        cells = [[row.target_acc1 for row in own], [row.source_probe for row in own], kept]
        rows.append([f"{lambda_:g}", *(mean_and_deviation(values, 1) for values in cells)])
    return rows


def kept_fraction(probe: float, result: TransferResult) -> float:
    """Return how much of what pre-training added to the probe is left, in percent; may be below 0 or above 100.

    Not-a-number where pre-training did not add anything.
    """
    learned = result.before - result.untrained
    return 100 * (probe - result.untrained) / learned if learned > 0 else float("nan")


def as_markdown(settings: TransferSettings, result: TransferResult) -> str:
    """Return the table with its sentence."""
    return f"{markdown_table(table_rows(settings, result))}\n\n{sentence(settings, result)}\n"


def sentence(settings: TransferSettings, result: TransferResult) -> str:
    """Return what the numbers are relative to."""
    return (
        f"Percent; mean ± sample standard deviation over {counted(len(settings.seeds), 'seed')}. The probe found "
        f"{result.before:.1f} before the fine-tuning and {result.untrained:.1f} with random weights (mean of "
        f"{FRESH_SEEDS})."
    )


def draw(settings: TransferSettings, result: TransferResult, path: Path) -> None:
    """Draw target accuracy and source probe by lambda."""
    figure = new_figure(9.5, 3.6)
    left, right = figure.subplots(1, 2)
    _draw_side(left, settings, result, "target_acc1", REFERENCE)
    left.set_ylabel("target task: Acc@1 (%)")
    _draw_side(right, settings, result, "source_probe", OTHER)
    right.set_ylabel("source task: linear probe (%)")
    for value, name in ((result.before, "before fine-tuning"), (result.untrained, "random weights")):
        right.axhline(value, color=FAINT, lw=1, ls="--")
        right.annotate(name, (0.02, value), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")
    save_png(figure, path)


def _draw_side(axis: Axes, settings: TransferSettings, result: TransferResult, attribute: str, colour: str) -> None:
    places = range(len(settings.lambdas))
    values = [
        [getattr(row, attribute) for row in result.rows if row.epoch_lambda == lambda_] for lambda_ in settings.lambdas
    ]
    for place, found in zip(places, values, strict=True):
        axis.plot([place] * len(found), found, "o", color=colour, alpha=0.5, ms=5)
    axis.plot(places, [statistics.fmean(found) for found in values], color=colour, lw=1.5)
    axis.set_xticks(places, [f"{lambda_:g}" for lambda_ in settings.lambdas])
    axis.set_xlabel("λ of the epoch-wise term")
    tidy(axis)
