"""A step with stored soft labels against a step of the stock trainer: the batch from nnU-Net's loader, and the step.

    OMP_NUM_THREADS=1 python benchmarks/soft_label_step.py --classes 3 25 134 --rounds 9 --csv soft_label_step.csv

Made-up cases with smooth structures lie on the disk as nnU-Net's preprocessing leaves them, with soft labels of their
blurred labels. Both trainers load their batches in this process, with nnU-Net's whole augmentation, in turn, and time
is the processor's; ratios are medians of the rounds' ratios. `load` is a batch of the loader, which nnU-Net makes in
processes beside the training; `step` is `train_step`, `both` their sum.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from scipy.ndimage import gaussian_filter
from step_cost import PATCHES, plans_for, sandbox, show_and_write

from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.registry import find_trainer
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.manifest import Manifest, TeacherRecord
from nnunet_dsd.soft_labels.names import SETS
from nnunet_dsd.trainers.preparation import preparation_of, save_preprocessed, stored_blocks

CASES = 4
NAME = "benchmark"
STEPS = 5  # per round: augmentation happens by chance


def made_up_case(classes: int, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return labels `(*S)` of smooth structures, and soft labels `(K, *S)` that are blurred ones."""
    rng = np.random.default_rng(seed)
    fields = torch.from_numpy(np.stack([gaussian_filter(rng.normal(size=shape), 4) for _ in range(classes)])).float()
    soft = torch.softmax(fields / fields.std() * 6, dim=0)
    return soft.argmax(0).numpy().astype(np.int16), soft


def write_data(trainer: Any, classes: int, patch: tuple[int, ...]) -> None:
    """Write preprocessed cases and their soft labels to where a trainer looks for them."""
    manager, plans = trainer.configuration_manager, trainer.plans_manager
    names = [f"case_{index}" for index in range(CASES)]
    folder = Path(trainer.preprocessed_dataset_folder)
    for leftover in folder.iterdir():
        leftover.unlink()
    manifest = Manifest(
        dataset=plans.dataset_name,
        preparation=preparation_of(plans, manager),
        classes=classes,
        regions=False,
        channels=1,
        mirroring=False,
        in_sample=False,
        teachers=(TeacherRecord("made-up", "0", "none", "none", ()),),
        labelled=dict.fromkeys(names, (0,)),
        unlabelled=(),
    )
    soft_labels = SoftLabelSet(folder.parent / SETS / NAME, manifest)
    manifest.write(soft_labels.folder)
    shape = tuple(2 * size for size in patch)
    for seed, name in enumerate(names):
        labels, soft = made_up_case(classes, shape, seed)
        image = (labels + np.random.default_rng(seed).normal(size=shape)).astype(np.float32)[None]
        places = {label: np.argwhere(labels[None] == label)[:10_000] for label in range(1, classes)}
        save_preprocessed(folder, name, image, labels[None], {"class_locations": places}, manager)
        blocks, chunks = stored_blocks(tuple(soft.shape), manager, 1)
        soft_labels.write(name, soft, torch.zeros(shape), (0.0, 0.0), blocks=blocks[1:], chunks=chunks[1:])


def build(name: str, plans: dict[str, Any], classes: int) -> Any:
    """Build a trainer on the CPU for that many classes."""
    labels = {"background": 0, **{f"structure_{index}": index for index in range(1, classes)}}
    dataset = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": CASES, "file_ending": ".nii.gz"}
    trainer: Any = find_trainer(name).load()(copy.deepcopy(plans), "benchmark", "all", dataset, torch.device("cpu"))
    return trainer


def ready(trainer: Any) -> tuple[Any, Any]:
    """Return a trainer that is ready for a step, and its loader."""
    trainer.initialize()
    loader, _ = trainer.get_dataloaders()
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.on_train_epoch_start()
    return trainer, loader


def one_round(trainer: Any, loader: Any) -> tuple[float, float]:
    """Return the processor's seconds of loading batches and of training on them."""
    begin = time.process_time()
    batches = [next(loader) for _ in range(STEPS)]
    loaded = time.process_time()
    for batch in batches:
        trainer.train_step(batch)
    return loaded - begin, time.process_time() - loaded


def measure(classes: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time both trainers in turn; return one row."""
    patch = PATCHES[3]
    plans = plans_for(3, patch, arguments.batch_size, arguments.width)
    plans |= {"transpose_forward": [0, 1, 2], "image_reader_writer": "SimpleITKIO"}
    plans["foreground_intensity_properties_per_channel"] = {}
    plans["configurations"]["benchmark"] |= {"spacing": [1.0] * 3, "use_mask_for_norm": [False]}
    plans["configurations"]["benchmark"][PLANS_KEY] = {"soft_labels": NAME}
    with sandbox():
        write_data(build("nnUNetTrainerKD", plans, classes), classes, patch)
        both = {name: ready(build(f"nnUNetTrainer{name}", plans, classes)) for name in ("Stock", "KD")}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in both}
        for number in range(arguments.rounds + 1):
            for name in both if number % 2 else reversed(both):
                spent = one_round(*both[name])
                if number:  # the first one warms up
                    times[name].append(spent)
    return row(classes, times)


def row(classes: int, times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Return seconds per step of the stock trainer, and how much longer it takes with soft labels."""
    stock, taught = np.array(times["Stock"]) / STEPS, np.array(times["KD"]) / STEPS
    seconds = np.median(stock, axis=0)
    ratios = np.median(taught / stock, axis=0)
    return {
        "classes": classes,
        "stock_load_s": round(float(seconds[0]), 3),
        "stock_step_s": round(float(seconds[1]), 3),
        "load_ratio": round(float(ratios[0]), 3),
        "step_ratio": round(float(ratios[1]), 3),
        "both_ratio": round(statistics.median(taught.sum(1) / stock.sum(1)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 25])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--csv", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    os.environ["nnUNet_n_proc_DA"] = "0"  # load in this process
    torch.set_num_threads(1)
    rows = [measure(classes, arguments) for classes in track(arguments.classes, console=Console(stderr=True))]
    show_and_write(rows, arguments.csv)


if __name__ == "__main__":
    main()
