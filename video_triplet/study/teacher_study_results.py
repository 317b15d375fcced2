"""What a study of teachers found: one row per student, a table over seeds, and the figure of rise and fall."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.drawing import (
    FAINT,
    INK,
    OTHER,
    REFERENCE,
    colour_of,
    named_legend,
    new_figure,
    save_png,
    tidy,
)
from nnunet_dsd.common.files import write_rows, write_text
from nnunet_dsd.common.markdown_tables import markdown_table, mean_and_deviation
from video_triplet.models.inference import predict_videos
from video_triplet.models.kept_epochs import epoch_file
from video_triplet.models.model_file import load_model, read_record
from video_triplet.models.run_files import SOFT_LABELS_FILE, TEST_FILE
from video_triplet.predictions.file import Predictions, load_predictions
from video_triplet.predictions.metrics import evaluate
from video_triplet.predictions.pooling import SMALLEST
from video_triplet.selection.choice import Choice, load_choice
from video_triplet.selection.criteria import mean_on_labels
from video_triplet.selection.epoch_predictions import Reading
from video_triplet.selection.teachers import TeacherRun, read_teacher
from video_triplet.study.teacher_study import HARD_LABELS, TeacherStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class StudentResult:
    """One student and its teacher.

    Attributes:
        kind: `"epoch"`, `"strategy"` or `"control"`.
        name: The epoch's number, the strategy's name, or "hard labels".
        seed: Of the (first) teacher.
        members: Which epochs taught it.
        student_map: Video mAP of the student on the test videos, percent.
        teacher_map: Of the single epoch that taught it; not-a-number for ensembles and the control.
        reference_probability: Of the soft labels on the training frames; not-a-number for the control, as is the last.
        distance_to_truth: Cross-entropy of the soft labels against the probabilities that the labels were drawn with,
            minus those probabilities' own entropy, nats per frame and class; not-a-number where they are not known.
    """

    kind: str
    name: str
    seed: int
    members: str
    student_map: float
    teacher_map: float
    reference_probability: float
    distance_to_truth: float


def single_epoch(choice: Choice, study: TeacherStudy, seed: int) -> int | None:
    """Return the epoch of a choice that is one epoch of the first teacher on the curve; None for any other."""
    if len(choice.members) != 1:
        return None
    member = choice.members[0]
    return member.epoch if member.seed == seed and member.epoch in study.curve else None


def choices_of_their_own(study: TeacherStudy) -> list[tuple[int, str]]:
    """Return by seed and name the choices that need a student of their own."""
    pairs = [(seed, strategy) for seed in study.seeds for strategy in study.strategies]
    return [
        (seed, strategy)
        for seed, strategy in pairs
        if single_epoch(load_choice(study.choice(seed, strategy)), study, seed) is None
    ]


def collect(study: TeacherStudy, reading: Reading, truth: Predictions | None) -> list[StudentResult]:
    """Return every student's result, the curve first."""
    results = []
    for seed in study.seeds:
        run = read_teacher(study.teacher_run(seed))
        curve = {epoch: _of_epoch(study, run, epoch, reading, truth) for epoch in study.curve}
        results += list(curve.values())
        hard = _mean_ap(load_predictions(study.student_run(seed, HARD_LABELS) / TEST_FILE), reading)
        results.append(StudentResult("control", HARD_LABELS, seed, "no teacher", hard, math.nan, math.nan, math.nan))
        for strategy in study.strategies:
            choice = load_choice(study.choice(seed, strategy))
            epoch = single_epoch(choice, study, seed)
            if epoch is None:
                found = _of_folder(study, seed, strategy, choice.describe(), reading, truth)
            else:
                found = replace(curve[epoch], members=choice.describe())
            results.append(replace(found, kind="strategy", name=strategy))
    return results


def _of_epoch(
    study: TeacherStudy, run: TeacherRun, epoch: int, reading: Reading, truth: Predictions | None
) -> StudentResult:
    found = _of_folder(study, run.seed, epoch, f"seed {run.seed}: epochs {epoch}", reading, truth)
    return replace(found, teacher_map=_teacher_map(study, run, epoch, reading))


def _of_folder(
    study: TeacherStudy, seed: int, taught_by: int | str, members: str, reading: Reading, truth: Predictions | None
) -> StudentResult:
    folder = study.student_run(seed, taught_by)
    soft = load_predictions(folder / SOFT_LABELS_FILE)
    labels = np.concatenate([video.labels["triplet"] for video in reading.dataset.subset(soft.videos)])
    keys = [(name, int(frame)) for name in soft.videos for frame in reading.dataset.videos[name].frames]
    given = mean_on_labels(soft.aligned_to(keys).probabilities["triplet"], labels)
    score = _mean_ap(load_predictions(folder / TEST_FILE), reading)
    distance = distance_to_truth(soft, truth) if truth is not None else math.nan
    kind = "epoch" if isinstance(taught_by, int) else "strategy"
    return StudentResult(kind, str(taught_by), seed, members, score, math.nan, given, distance)


def _teacher_map(study: TeacherStudy, run: TeacherRun, epoch: int, reading: Reading) -> float:
    """Return the teacher's own test mAP in percent, which no choice has seen; its predictions are kept."""
    path = study.folder / "teachers-on-test" / f"seed_{run.seed}_epoch_{epoch:03d}.npz"
    weights = epoch_file(run.folder, epoch)
    found = load_predictions(path) if path.is_file() else None
    if found is None or found.models != (read_record(weights),):
        model = load_model(weights, device=reading.device)
        videos = reading.dataset.subset(run.videos("test"))
        found = predict_videos(model, videos, reading.source, batch_size=reading.batch_size, workers=reading.workers)
        found.save(path)
    return _mean_ap(found, reading)


def _mean_ap(predictions: Predictions, reading: Reading) -> float:
    return 100 * evaluate(predictions, reading.dataset.subset(predictions.videos)).mean_ap


def distance_to_truth(soft: Predictions, truth: Predictions) -> float:
    """Return the mean Kullback-Leibler divergence of soft labels from the true Bernoulli probabilities, in nats."""
    q = np.clip(soft.probabilities["triplet"].astype(np.float64), SMALLEST, 1 - SMALLEST)
    p = truth.aligned_to(soft.keys).probabilities["triplet"].astype(np.float64)
    entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0) - np.where(
        p < 1, (1 - p) * np.log(np.where(p < 1, 1 - p, 1)), 0
    )
    cross = -(p * np.log(q) + (1 - p) * np.log1p(-q))
    return float((cross - entropy).mean())


def write_results(study: TeacherStudy, results: Sequence[StudentResult], *, criterion: str) -> str:
    """Write `results.csv`, `table.md` and `study.png`; return the table."""
    write_rows(study.folder / "results.csv", StudentResult, results)
    text = as_markdown(study, results)
    write_text(study.folder / "table.md", text)
    draw(study, results, study.folder / "study.png", criterion=criterion)
    return text


def as_markdown(study: TeacherStudy, results: Sequence[StudentResult]) -> str:
    """Return two tables: the curve; control and strategies with their difference from the last epoch's student."""
    known = any(not math.isnan(result.distance_to_truth) for result in results)
    columns = ["KL to truth"] if known else []
    curve = [["teacher's epoch", "teacher mAP", "student mAP", "reference probability", *columns]]
    for epoch in study.curve:
        rows = [result for result in results if result.kind == "epoch" and result.name == str(epoch)]
        curve.append([str(epoch), *_cells(rows, known=known)])
    strategies = [
        ["strategy", "student mAP", "reference probability", *columns, "minus last", "higher in", "taught by"]
    ]
    last = {result.seed: result.student_map for result in results if result.name == "last"}
    for strategy in (HARD_LABELS, *study.strategies):
        rows = [result for result in results if result.name == strategy]
        gains = [row.student_map - last[row.seed] for row in rows if row.seed in last]
        gain = [f"{statistics.fmean(gains):+.1f}", f"{sum(value > 0 for value in gains)} of {len(gains)}"]
        members = "; ".join(dict.fromkeys(part for row in rows for part in row.members.split("; ")))
        strategies.append([strategy, *_cells(rows, known=known)[1:], *(gain if gains else ["", ""]), members])
    note = (
        f"mAP in percent on the test videos; mean ± sample standard deviation over {counted(len(study.seeds), 'seed')}."
    )
    return "\n\n".join([markdown_table(curve), markdown_table(strategies), note]) + "\n"


def draw(study: TeacherStudy, results: Sequence[StudentResult], path: Path, *, criterion: str) -> None:
    """Draw student and teacher by the teacher's epoch, and the strategies' students beside."""
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.5, 1]})
    curve = [result for result in results if result.kind == "epoch"]
    for name, attribute, colour in (("student", "student_map", REFERENCE), ("teacher", "teacher_map", INK)):
        _draw_curve(left, study.curve, curve, attribute, name, colour)
    hard = [result.student_map for result in results if result.kind == "control"]
    left.axhline(statistics.fmean(hard), color=OTHER, ls="--", lw=1, label="student's budget on hard labels")
    left.set_xlabel("epoch of the teacher")
    left.set_ylabel("triplet mAP on the test videos (%)")
    named_legend(left, *left.get_legend_handles_labels(), frameon=False, fontsize=9)
    tidy(left)
    compared = (HARD_LABELS, *study.strategies)
    for place, name in enumerate(compared):
        scores = [result.student_map for result in results if result.kind != "epoch" and result.name == name]
        right.plot(scores, [place] * len(scores), "o", color=colour_of(0), alpha=0.6)
        right.plot([statistics.fmean(scores)], [place], "|", color=OTHER, ms=18, mew=2.5)
    right.set_yticks(range(len(compared)), list(compared))
    right.invert_yaxis()
    right.set_xlabel("triplet mAP of the student (%)")
    right.set_title(f"criterion: {criterion}; dots: seeds, line: mean", fontsize=9)
    tidy(right, grid="x")
    save_png(figure, path)


def _draw_curve(
    axis: Axes, epochs: Sequence[int], results: Sequence[StudentResult], attribute: str, name: str, colour: str
) -> None:
    values = [[getattr(row, attribute) for row in results if row.name == str(epoch)] for epoch in epochs]
    for seed in range(len(values[0])):
        axis.plot(epochs, [value[seed] for value in values], color=colour, alpha=0.25, lw=1)
    axis.plot(epochs, [statistics.fmean(value) for value in values], color=colour, marker="o", ms=4, label=name)
    axis.axhline(max(statistics.fmean(value) for value in values), color=FAINT, lw=0.5)


def _cells(rows: Sequence[StudentResult], *, known: bool) -> list[str]:
    """Return mAP of teachers and students, the reference probability and, where it is known, the KL to the truth."""
    columns = [("teacher_map", 1), ("student_map", 1), ("reference_probability", 2), ("distance_to_truth", 4)]
    values = [([getattr(row, name) for row in rows], digits) for name, digits in columns[: 4 if known else 3]]
    return ["-" if any(map(math.isnan, found)) else mean_and_deviation(found, digits) for found, digits in values]
