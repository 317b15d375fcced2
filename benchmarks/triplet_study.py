"""Does a self-distilled student beat its teacher on the rendered data set, whose true probabilities are known?

    python benchmarks/triplet_study.py run RESULTS.csv --seeds 1 2 3 --folds 1 2      # renders the data set first
    python benchmarks/triplet_study.py table RESULTS.csv
    python benchmarks/triplet_study.py figure RESULTS.csv -o triplet-study.png

`run` appends a row per finished training and skips rows that are there. The teacher and its student have the seeds N
and 100 + N. Each `long` variant is the control of a student: the student's seed and epochs, but hard labels, so that
the student's longer training is not taken for the effect of its soft labels. `student of long` learns from that
control, with as many epochs and the seed 200 + N. Epochs are chosen on validation videos taken from the training folds;
the test videos take part in nothing but the scores. `prevalence` (the training videos' mean labels for every frame) and
`truth` (the probabilities that the labels were drawn with) are no trainings but bounds. `map_seen` is the mean AP of
the classes with at least 10 training frames: a class that is in one test frame only and in no training frame has an AP
of anything between 1 and 100 per cent, and counts as much as any other in the official mAP.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BACKBONE = {
    "backbone": "swin_tiny_patch4_window7_224",
    "backbone_options": '{"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}',
    "weights": "none",
}
SEED_OFFSET = 100
SEEN_FRAMES = 10
SMALLEST_PROBABILITY = 1e-7  # keeps the cross-entropy of float32 probabilities finite


@dataclass(frozen=True)
class Variant:
    """What is trained: `long` gives it twice the epochs, `teacher` names whose soft labels it learns from."""

    trainer: str
    long: bool = False
    teacher: str = ""
    label_smoothing: float = 0.0


VARIANTS = {
    "teacher": Variant("SwinTripletTeacher"),
    "long": Variant("SwinTripletTeacher", long=True),
    "student": Variant("SwinTripletStudent", long=True, teacher="teacher"),
    "student of long": Variant("SwinTripletStudent", long=True, teacher="long"),
    "multi-task teacher": Variant("SwinTripletMultiTaskTeacher"),
    "multi-task long": Variant("SwinTripletMultiTaskTeacher", long=True),
    "multi-task student": Variant("SwinTripletMultiTaskStudent", long=True, teacher="multi-task teacher"),
    "long, smoothed": Variant("SwinTripletTeacher", long=True, label_smoothing=0.1),
}
BOUNDS = ("prevalence", "truth")
PAIRS = (
    ("student", "teacher"),
    ("student", "long"),
    ("long", "teacher"),
    ("student of long", "long"),
    ("long, smoothed", "long"),
    ("multi-task student", "multi-task teacher"),
    ("multi-task student", "multi-task long"),
)
COMPONENTS = ("i", "v", "t", "iv", "it")
CALIBRATION = ("bce", "brier", "mae_ambiguous")
LABEL_ERRORS = ("mae", "brier", "mae_ambiguous")  # of training labels: hard ones, and a model's probabilities
FIELDS = (
    *("setup", "variant", "fold", "seed", "epoch", "map", "map_seen", "top5", *COMPONENTS, *CALIBRATION),
    *(f"{labels}_{error}" for labels in ("train", "hard") for error in LABEL_ERRORS),
    "train_confidence",  # mean probability of the labelled triplets of training frames
    "train_map",  # of training frames, against the labels that a teacher was trained with
    "seconds",
)


class Study:
    """The data set, its frames, its folds and its truth; rendered and cached at the first use."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from video_triplet.data.cache_writing import prepare_cache
        from video_triplet.data.frame_cache import FrameCache
        from video_triplet.data.reading import open_dataset
        from video_triplet.data.splits import make_splits
        from video_triplet.predictions.file import load_predictions
        from video_triplet.rendered.triplets import TRUTH_FILE, render_dataset

        a = arguments
        name = f"{a.videos}x{a.frames}-ambiguity-{a.ambiguity:g}"
        folder, cache = a.work / name, a.work / f"{name}-{a.image_size}px"
        if not folder.is_dir():
            render_dataset(folder, videos=a.videos, frames=a.frames, seed=0, ambiguity=a.ambiguity)
        self.dataset = open_dataset(folder)
        prepare_cache(self.dataset, cache, size=a.image_size)
        self.source = FrameCache.open(cache)
        self.truth = load_predictions(folder / TRUTH_FILE)
        splits = make_splits(self.dataset, "k-fold", folds=a.of_folds, validation_videos=2, protocol="inner", seed=0)
        self.splits = {split.fold: split for split in splits}
        self.arguments = arguments
        self.setup = (
            f"{a.videos} videos x {a.frames} frames, ambiguity {a.ambiguity:g}, {a.of_folds} folds, {a.image_size} px, "
            f"{a.epochs} and {2 * a.epochs} epochs, batch {a.batch_size}, learning rate {a.learning_rate:g}"
        )
        self.runs = a.work / f"runs-{name}-{a.image_size}px-{a.epochs}-epochs"

    def settings(self, variant: Variant, seed: int) -> Any:
        from video_triplet.trainers.experiment import find_video_trainer

        a = self.arguments
        given = {
            **BACKBONE,
            "image_size": a.image_size,
            "batch_size": a.batch_size,
            "learning_rate": a.learning_rate,
            "epochs": 2 * a.epochs if variant.long else a.epochs,
            "seed": seed + SEED_OFFSET * generation(variant),
            "label_smoothing": variant.label_smoothing,
        }
        return find_video_trainer(variant.trainer).read_settings(given)

    def train(self, name: str, fold: int, seed: int) -> Any:
        """Return the trained model of a variant; its teacher is trained first where that is needed."""
        from video_triplet.models.model_file import load_model
        from video_triplet.models.soft_labels import label_training_frames
        from video_triplet.trainers.experiment import Experiment
        from video_triplet.trainers.run import Machine, train

        variant = VARIANTS[name]
        soft = None
        if variant.teacher:
            soft = label_training_frames(self.train(variant.teacher, fold, seed), self.dataset, self.source)
        settings = self.settings(variant, seed)
        experiment = Experiment(variant.trainer, settings, self.dataset, self.splits[fold], self.source, soft)
        folder = self.runs / f"fold_{fold}" / f"seed_{seed}" / name.replace(", ", "-").replace(" ", "-")
        machine = Machine(accelerator=self.arguments.accelerator, precision="32-true", workers=0)
        return load_model(train(experiment, folder, machine))

    def score(self, name: str, fold: int, seed: int) -> dict[str, Any]:
        """Train a variant and return its row."""
        from video_triplet.models.inference import predict_videos
        from video_triplet.models.soft_labels import label_training_frames

        start = time.perf_counter()
        model = self.train(name, fold, seed)
        seconds = time.perf_counter() - start
        test = predict_videos(model, self.dataset.subset(self.splits[fold].test), self.source)
        labels = self.hard_labels(fold)
        soft = label_training_frames(model, self.dataset, self.source).aligned_to(labels.keys)
        training, hard = (against_truth(given, self.truth) for given in (soft, labels))
        row = {"epoch": model.record.epoch, "seconds": round(seconds), **self.scores_of(test, fold)}
        row |= {f"train_{measure}": training[measure] for measure in LABEL_ERRORS}
        row["train_confidence"] = float(soft.probabilities["triplet"][labels.probabilities["triplet"] > 0].mean())
        row["train_map"] = self.training_map(soft)
        return row | {f"hard_{measure}": hard[measure] for measure in LABEL_ERRORS}

    def training_map(self, predictions: Any) -> float:
        """Return the video mAP of the very frames a model was trained on: how far it has fitted them, no result."""
        from video_triplet.predictions.metrics import evaluate_dataset

        return evaluate_dataset(predictions, self.dataset, allow_training_videos=True).mean_ap

    def scores_of(self, predictions: Any, fold: int) -> dict[str, float]:
        """Return scores against the labels of the test videos, and against the probabilities they were drawn with."""
        from video_triplet.predictions.metrics import evaluate

        evaluation = evaluate(predictions, self.dataset.subset(self.splits[fold].test))
        seen = self.hard_labels(fold).probabilities["triplet"].sum(axis=0) >= SEEN_FRAMES
        calibration = against_truth(predictions, self.truth)
        return {
            "map": evaluation.mean_ap,
            "map_seen": float(np.nanmean(evaluation.components["ivt"].class_ap[seen])),
            "top5": evaluation.components["ivt"].top_k[5],
            **{name: evaluation.components[name].mean_ap for name in COMPONENTS},
            **{name: calibration[name] for name in CALIBRATION},
        }

    def bound(self, name: str, fold: int) -> dict[str, Any]:
        """Return the row of one of BOUNDS."""
        split = self.splits[fold]
        predictions = self.true_probabilities(split.test)
        if name == "prevalence":
            mean = self.hard_labels(fold).probabilities["triplet"].mean(axis=0, keepdims=True)
            constant = np.repeat(mean, len(predictions), axis=0)
            predictions = dataclasses.replace(predictions, probabilities={"triplet": constant})
        return self.scores_of(predictions, fold)

    def hard_labels(self, fold: int) -> Any:
        """Return the labels of the training videos in the place of probabilities."""
        names = self.splits[fold].training
        labels = np.concatenate([video.labels["triplet"] for video in self.dataset.subset(names)])
        return dataclasses.replace(self.true_probabilities(names), probabilities={"triplet": labels.astype(np.float32)})

    def true_probabilities(self, names: Sequence[str]) -> Any:
        """Return the truth for the frames of some videos, in their order."""
        videos = self.dataset.subset(names)
        keys = [(video.name, int(frame)) for video in videos for frame in video.frames]
        video_ids = np.repeat(np.arange(len(videos)), [len(video) for video in videos])
        return dataclasses.replace(self.truth.aligned_to(keys), videos=tuple(names), video_ids=video_ids)


def generation(variant: Variant) -> int:
    """Return 0 for a teacher, 1 for its student and for the control (so they share a seed), 2 for a student of that."""
    return variant.long + (generation(VARIANTS[variant.teacher]) if variant.teacher else 0)


def against_truth(predictions: Any, truth: Any) -> dict[str, float]:
    """Compare triplet probabilities with the true ones: means over frames and classes.

    `mae_ambiguous` is over those entries only whose true probability is neither 0 nor 1.
    """
    found = predictions.probabilities["triplet"].astype(np.float64)
    true = truth.aligned_to(predictions.keys).probabilities["triplet"].astype(np.float64)
    inside = np.clip(found, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    error = np.abs(found - true)
    return {
        "bce": float(-np.mean(true * np.log(inside) + (1 - true) * np.log1p(-inside))),
        "brier": float(np.mean(error**2)),
        "mae": float(error.mean()),
        "mae_ambiguous": float(error[(true > 0) & (true < 1)].mean()),
    }


def run(arguments: argparse.Namespace) -> None:
    """Run what is missing in the table and append it row by row."""
    import torch

    torch.set_num_threads(arguments.threads)
    study = Study(arguments)
    keys = ("setup", "variant", "fold", "seed")
    done = {tuple(row[key] for key in keys) for row in read_rows(arguments.results)}
    for seed in (0, *arguments.seeds):  # 0: the bounds, which have no seed
        for fold in arguments.folds:
            for name in arguments.variants if seed else BOUNDS:
                if (study.setup, name, str(fold), str(seed)) in done:
                    continue
                scores = study.score(name, fold, seed) if seed else study.bound(name, fold)
                identity = {"setup": study.setup, "variant": name, "fold": fold, "seed": seed}
                append(arguments.results, identity | {key: round(value, 5) for key, value in scores.items()})


def append(results: Path, row: dict[str, Any]) -> None:
    new = not results.is_file()
    with results.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(f"{row['variant']}, fold {row['fold']}, seed {row['seed']}: mAP {100 * row['map']:.2f} %", flush=True)


def read_rows(results: Path) -> list[dict[str, str]]:
    if not results.is_file():
        return []
    with results.open() as file:
        return list(csv.DictReader(file))


def values_of(rows: Sequence[dict[str, str]], variant: str, measure: str) -> dict[tuple[str, str], float]:
    """Return a measure by seed and fold."""
    return {(row["seed"], row["fold"]): float(row[measure]) for row in rows if row["variant"] == variant}


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean and sample standard deviation as text."""
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


SHOWN = {  # measure: heading, factor, digits
    "map": ("mAP", 100, 1),
    "map_seen": ("mAP seen", 100, 1),
    "top5": ("top-5", 100, 1),
    **{component: (component.upper(), 100, 1) for component in COMPONENTS},
    "bce": ("BCE", 1, 4),
    "brier": ("Brier", 1, 4),
    "mae_ambiguous": ("MAE ambiguous", 1, 3),
}


def table(results: Path) -> None:
    """Print scores by fold (mean and deviation over seeds), differences within seed and fold, and errors of labels."""
    rows = read_rows(results)
    for setup in dict.fromkeys(row["setup"] for row in rows):
        group = [row for row in rows if row["setup"] == setup]
        print(f"{setup}\n")
        for fold in sorted({row["fold"] for row in group}):
            of_fold = [row for row in group if row["fold"] == fold]
            print_scores(of_fold, fold)
            print_label_errors(of_fold, fold)
        print(f"| difference | pairs | mAP | higher in | mAP seen | higher in | BCE | lower in |\n{'|---' * 8}|")
        for first, second in PAIRS:
            print_difference(group, first, second)
        print()


def print_scores(rows: Sequence[dict[str, str]], fold: str) -> None:
    headings = [heading for heading, _, _ in SHOWN.values()]
    print(f"| fold {fold} | seeds | {' | '.join(headings)} |\n{'|---' * (len(headings) + 2)}|")
    for name in (*BOUNDS, *VARIANTS):
        values = {measure: list(values_of(rows, name, measure).values()) for measure in SHOWN}
        cells = [spread([factor * v for v in values[key]], digits) for key, (_, factor, digits) in SHOWN.items()]
        if values["map"]:
            print(f"| {name} | {len(values['map'])} | {' | '.join(cells)} |")
    print()


def print_label_errors(rows: Sequence[dict[str, str]], fold: str) -> None:
    print(f"| labels of the training frames, fold {fold} | seeds | MAE | squared | MAE ambiguous | confidence | mAP |")
    print("|---|---|---|---|---|---|---|")
    for name, prefix in (("teacher", "hard"), *((name, "train") for name in VARIANTS)):
        measures = {f"{prefix}_{error}": (1.0, digits) for error, digits in zip(LABEL_ERRORS, (4, 4, 3), strict=True)}
        if prefix == "train":
            measures |= {"train_confidence": (1.0, 3), "train_map": (100.0, 1)}
        columns = [list(values_of(rows, name, measure).values()) for measure in measures]
        columns = columns if prefix == "train" else [values[:1] for values in columns]  # the same for all seeds
        scales = measures.values()
        cells = [spread([factor * v for v in c], digits) for c, (factor, digits) in zip(columns, scales, strict=True)]
        cells += [""] * (5 - len(cells))
        if columns[0]:
            title = "hard labels" if prefix == "hard" else f"probabilities of {name}"
            print(f"| {title} | {len(columns[0])} | {' | '.join(cells)} |")
    print()


def print_difference(rows: Sequence[dict[str, str]], first: str, second: str) -> None:
    cells, pairs = [], 0
    for measure, factor, digits, sign in (("map", 100, 1, 1), ("map_seen", 100, 1, 1), ("bce", 1, 4, -1)):
        a, b = values_of(rows, first, measure), values_of(rows, second, measure)
        differences = [factor * (a[key] - b[key]) for key in a if key in b]
        better, pairs = sum(sign * difference > 0 for difference in differences), len(differences)
        cells += [spread(differences, digits), f"{better} of {pairs}"]
    if pairs:
        print(f"| {first} minus {second} | {pairs} | {' | '.join(cells)} |")


PANELS = (  # measure, factor, title, what the broken line is
    ("map", 100, "video mAP (%), test videos", "truth"),
    ("map_seen", 100, "the same over classes with 10 training frames or more", "truth"),
    ("bce", 1, "cross-entropy against the truth (nats), test videos", "truth"),
    ("train_mae_ambiguous", 1, "mean error on ambiguous entries, training frames", "hard labels"),
)


def figure(results: Path, output: Path) -> None:
    """Draw each run's mAP and cross-entropy on the test videos, and how far its training frames are from the truth."""
    from matplotlib.figure import Figure

    rows = read_rows(results)
    names = [name for name in VARIANTS if any(row["variant"] == name for row in rows)]
    folds = sorted({row["fold"] for row in rows if row["variant"] in names})
    drawing = Figure(figsize=(11, 8), layout="constrained")
    for axes, (measure, factor, title, bound) in zip(drawing.subplots(2, 2).flat, PANELS, strict=True):
        for number, fold in enumerate(folds):
            of_fold = [row for row in rows if row["fold"] == fold]
            shift = 0.3 * (number - (len(folds) - 1) / 2)
            for position, name in enumerate(names):
                points = [factor * value for value in values_of(of_fold, name, measure).values()]
                draw_points(axes, points, position + shift, f"C{number}")
            column, name = (measure, "truth") if bound == "truth" else ("hard_mae_ambiguous", names[0])
            line = next(iter(values_of(of_fold, name, column).values()))
            axes.axhline(factor * line, color=f"C{number}", ls="--", lw=1, label=f"{bound}, fold {fold}")
            axes.plot([], [], "o", ms=5, color=f"C{number}", label=f"one run each, fold {fold}")
        axes.set_title(title, fontsize="medium")
        axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names], fontsize="small")
        axes.grid(axis="y", alpha=0.3)
        axes.legend(fontsize="x-small")
    drawing.savefig(output, dpi=100)


def draw_points(axes: Any, points: list[float], position: float, colour: str) -> None:
    """Draw a point per run, in the order of seeds, and a bar at their mean."""
    if points:
        axes.plot(position + np.linspace(-0.08, 0.08, len(points)), points, "o", ms=5, color=colour)
        axes.hlines(statistics.fmean(points), position - 0.13, position + 0.13, color=colour, lw=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    running = actions.add_parser("run")
    running.add_argument("results", type=Path)
    running.add_argument("--work", type=Path, default=Path("triplet-study"), help="folder of data and trainings")
    running.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    running.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    running.add_argument("--folds", type=int, nargs="+", default=[1, 2])
    running.add_argument("--of-folds", type=int, default=3)
    running.add_argument("--videos", type=int, default=12)
    running.add_argument("--frames", type=int, default=120)
    running.add_argument("--ambiguity", type=float, default=0.25)
    running.add_argument("--image-size", type=int, default=64)
    running.add_argument("--epochs", type=int, default=20, help="of a teacher; the others have twice as many")
    running.add_argument("--batch-size", type=int, default=16)
    running.add_argument("--learning-rate", type=float, default=5e-4)
    running.add_argument("--accelerator", default="cpu")
    running.add_argument("--threads", type=int, default=1)
    actions.add_parser("table").add_argument("results", type=Path)
    drawing = actions.add_parser("figure")
    drawing.add_argument("results", type=Path)
    drawing.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.action == "run":
        run(arguments)
    elif arguments.action == "figure":
        figure(arguments.results, arguments.output)
    else:
        table(arguments.results)


if __name__ == "__main__":
    main()
