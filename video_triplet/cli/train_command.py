"""`video-triplet train`: one training, then predictions for the videos that the split sets apart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from video_triplet.cli.data_options import (
    DEFAULT_FOLDER,
    add_data_options,
    add_machine_options,
    add_split_options,
    find_fold,
    read_dataset,
    read_machine,
    read_splits,
    refuse_missing_data,
)
from video_triplet.models.kept_epochs import read_epochs
from video_triplet.models.run_files import TEST_FILE
from video_triplet.settings import PRESETS, TripletSettings, find_preset
from video_triplet.trainers.catalog import require_video_trainer

if TYPE_CHECKING:
    from video_triplet.trainers.experiment import Experiment
    from video_triplet.trainers.run import Machine

SUMMARY = "train a teacher or a student on one fold"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the trainer, the fold, data, split, machine and one option per setting."""
    parser.add_argument("-tr", "--trainer", required=True, help="name of a trainer; `video-triplet list` shows them")
    parser.add_argument("-f", "--fold", type=int, default=1, help="fold to set apart, from 1 (default: %(default)s)")
    parser.add_argument(
        "-o", "--output", type=Path, help=f"folder of this run (default: {DEFAULT_FOLDER}/TRAINER/fold_FOLD)"
    )
    parser.add_argument("--soft-labels", type=Path, metavar="FILE", help="what a student learns from")
    parser.add_argument("--preset", help="; ".join(f"{name}: {text}" for name, (text, _) in PRESETS.items()))
    parser.add_argument(
        "--keep-epochs", metavar="EPOCHS",
        help="keep the weights of single epochs, in half precision, to choose a teacher among them: all, or 2-8,11",
    )  # fmt: skip
    add_data_options(parser)
    add_split_options(parser)
    add_machine_options(parser)
    add_setting_options(parser.add_argument_group("settings (the trainer's own defaults go before those in brackets)"),
                        TripletSettings)  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on with a training that was stopped; predict the test videos and print their score."""
    refuse_mistakes(arguments)
    from video_triplet.trainers.run import is_first_process, train  # with torch and Lightning, after the checks

    experiment, folder = read_experiment(arguments), run_folder(arguments)
    machine = read_machine(arguments)
    kept = arguments.keep_epochs
    epochs = read_epochs(kept, experiment.settings.epochs, source="--keep-epochs") if kept else ()
    model = train(experiment, folder, machine, keep_epochs=epochs)
    if is_first_process():
        print(f"model: {model}")
        predict_test_videos(experiment, model, folder / TEST_FILE, machine)
    return 0


def refuse_mistakes(arguments: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong without torch: the trainer's name, a preset, missing folders and files.

    Raises:
        DistillationError: of the kind that goes with it.
    """
    require_video_trainer(arguments.trainer, "triplets")
    if arguments.preset:
        find_preset(arguments.preset)
    refuse_missing_data(arguments, soft_labels=arguments.soft_labels)


def run_folder(arguments: argparse.Namespace) -> Path:
    """Return where this run's files go."""
    chosen: Path | None = arguments.output
    return chosen or DEFAULT_FOLDER / arguments.trainer / f"fold_{arguments.fold}"


def read_experiment(arguments: argparse.Namespace) -> Experiment:
    """Read and check everything that the training needs."""
    from video_triplet.predictions.file import load_predictions
    from video_triplet.trainers.experiment import Experiment, find_video_trainer

    given: dict[str, Any] = {**(find_preset(arguments.preset) if arguments.preset else {})}
    given |= given_options(arguments, TripletSettings)
    settings = find_video_trainer(arguments.trainer).read_settings(given)
    dataset, source = read_dataset(arguments, settings.image_size)
    split = find_fold(read_splits(arguments, dataset), arguments.fold)
    soft_labels = load_predictions(arguments.soft_labels) if arguments.soft_labels else None
    return Experiment(arguments.trainer, settings, dataset, split, source, soft_labels)


def predict_test_videos(experiment: Experiment, model: Path, path: Path, machine: Machine) -> None:
    """Write predictions for the split's test videos and print their video mAP; leave a file that fits as it is."""
    from video_triplet.models.inference import predict_videos
    from video_triplet.models.model_file import load_model
    from video_triplet.predictions.file import load_predictions
    from video_triplet.predictions.metrics import evaluate

    videos = experiment.dataset.subset(experiment.split.test)
    loaded = load_model(model, device="cpu" if machine.accelerator == "cpu" else None)
    predictions = load_predictions(path) if path.is_file() else None
    if predictions is None or predictions.models != (loaded.record,):
        predictions = predict_videos(loaded, videos, experiment.source, workers=machine.workers)
        predictions.save(path)
    score = evaluate(predictions, videos)
    chosen = " (the epoch was chosen on these videos)" if score.selected_on else ""
    print(f"predictions: {path}")
    print(
        f"epoch {loaded.record.epoch}: video mAP {100 * score.mean_ap:.2f} %, top-5 "
        f"{100 * score.components['ivt'].top_k[5]:.2f} % on {', '.join(score.videos)}{chosen}"
    )
