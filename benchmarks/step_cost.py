"""Step time, peak memory, inference time and output equality of each trainer against the stock trainer.

    python benchmarks/step_cost.py --classes 3 14 --dimensions 3 --rounds 9 --csv step_cost.csv

Each step is what nnU-Net's `train_step` does: forward, loss, backward, clipping, optimiser. Stock and distilled steps
are taken in turn in one process, so that a noisy machine disturbs both; the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import csv
import gc
import multiprocessing
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from nnunet_dsd.registry import all_trainers, find_trainer

STAGES = {2: (32, 64, 128, 256, 512, 512), 3: (32, 64, 128, 256)}
PATCHES = {2: (192, 192), 3: (40, 56, 40)}
SKIPPED = ("nnUNetTrainerStock", "HLFD", "KD")  # the same steps as nnUNetTrainer; need a teacher, soft labels
Result = TypeVar("Result")


def plans_for(dimensions: int, patch_size: tuple[int, ...], batch_size: int, width: float) -> dict[str, Any]:
    """Return plans of a PlainConvUNet as nnU-Net makes them (Hippocampus's 3d_fullres for three dimensions)."""
    features = [max(4, round(width * count)) for count in STAGES[dimensions]]
    stages = len(features)
    architecture = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": features,
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": [[3] * dimensions] * stages,
            "strides": [[1] * dimensions] + [[2] * dimensions] * (stages - 1),
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [2] * (stages - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    configuration = {
        "data_identifier": "benchmark",
        "batch_size": batch_size,
        "patch_size": list(patch_size),
        "architecture": architecture,
        "batch_dice": False,
    }
    return {
        "dataset_name": "Dataset999_Benchmark",
        "plans_name": "benchmark",
        "configurations": {"benchmark": configuration},
        "label_manager": "LabelManager",
        "continue_training": False,
    }


def build_trainer(trainer_class: type, arguments: argparse.Namespace, classes: int, dimensions: int) -> nnUNetTrainer:
    """Build and initialise a trainer for made-up data of that many classes, background included."""
    plans = plans_for(dimensions, PATCHES[dimensions], arguments.batch_size, arguments.width)
    labels = {"background": 0, **{f"structure_{i}": i for i in range(1, classes)}}
    dataset = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    trainer = trainer_class(plans, "benchmark", 0, dataset, torch.device(arguments.device))
    trainer.initialize()
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.network.train()
    return trainer


def make_batch(trainer: nnUNetTrainer, classes: int) -> dict[str, Any]:
    """Return random images and labels, the labels at every scale the trainer's loss asks for."""
    patch, size = trainer.configuration_manager.patch_size, trainer.configuration_manager.batch_size
    generator = torch.Generator().manual_seed(0)
    scales = trainer._get_deep_supervision_scales()
    shapes = (
        [patch] if scales is None else [[round(p * s) for p, s in zip(patch, scale, strict=True)] for scale in scales]
    )
    targets = [torch.randint(0, classes, (size, 1, *shape), generator=generator, dtype=torch.int16) for shape in shapes]
    return {
        "data": torch.randn(size, 1, *patch, generator=generator),
        "target": targets if scales is not None else targets[0],
    }


@contextmanager
def sandbox() -> Iterator[None]:
    """Silence nnU-Net's prints and give it temporary folders; the empty case only says how data would be stored."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        preprocessed = Path(folder, "preprocessed")
        case = preprocessed / "Dataset999_Benchmark" / "benchmark" / "case.b2nd"
        case.parent.mkdir(parents=True)
        case.touch()
        os.environ["nnUNet_results"], os.environ["nnUNet_preprocessed"] = (
            str(Path(folder, "results")),
            str(preprocessed),
        )
        before, sys.stdout = sys.stdout, nowhere
        try:
            yield
        finally:
            sys.stdout = before


def seconds_of(work: Callable[[], Any], device: torch.device) -> float:
    """Return the wall time of one call, waiting for the GPU where there is one."""
    return timed(work, device)[1]


def timed(work: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """Return what a call returns, and its seconds as of `seconds_of`."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def compare(trainer_class: type, arguments: argparse.Namespace, classes: int, dimensions: int) -> dict[str, Any]:
    """Time stock and distilled steps and predictions in turn; return one row of results."""
    with sandbox():
        stock = build_trainer(nnUNetTrainer, arguments, classes, dimensions)
        other = build_trainer(trainer_class, arguments, classes, dimensions)
        batches = {trainer: make_batch(trainer, classes) for trainer in (stock, other)}
        for trainer, batch in batches.items():
            trainer.train_step(batch)
        steps: dict[nnUNetTrainer, list[float]] = {stock: [], other: []}
        for round_number in range(arguments.rounds):
            order = (stock, other) if round_number % 2 else (other, stock)
            for trainer in order:
                steps[trainer].append(seconds_of(lambda t=trainer: t.train_step(batches[t]), trainer.device))
        predictions, equal = time_predictions(stock, other, batches[stock]["data"].to(stock.device), arguments.rounds)
    ratios = [b / a for a, b in zip(steps[stock], steps[other], strict=True)]
    parameters = [sum(p.numel() for p in t.network.parameters()) for t in (stock, other)]
    return {
        "trainer": trainer_class.__name__,
        "dimensions": dimensions,
        "classes": classes,
        "stock_step_s": round(statistics.median(steps[stock]), 4),
        "step_s": round(statistics.median(steps[other]), 4),
        "step_ratio": round(statistics.median(ratios), 3),
        "prediction_ratio": round(predictions, 3),
        "outputs_equal": equal,
        "parameters_percent": round(100 * (parameters[1] / parameters[0] - 1), 4),
    }


@torch.no_grad()
def time_predictions(
    stock: nnUNetTrainer, other: nnUNetTrainer, image: torch.Tensor, rounds: int
) -> tuple[float, bool]:
    """Return the median ratio of prediction times and whether equal weights give bitwise equal outputs."""
    for trainer in (stock, other):
        trainer.network.eval()
        trainer.set_deep_supervision_enabled(False)
    bare = getattr(stock.network, "_orig_mod", stock.network)
    getattr(other.network, "_orig_mod", other.network).load_state_dict(bare.state_dict())
    equal = torch.equal(stock.network(image), other.network(image))
    ratios = []
    for round_number in range(rounds):
        order = (stock, other) if round_number % 2 else (other, stock)
        times = {trainer: seconds_of(lambda t=trainer: t.network(image), trainer.device) for trainer in order}
        ratios.append(times[other] / times[stock])
    return statistics.median(ratios), equal


def peak_memory(trainer_name: str, arguments: argparse.Namespace, classes: int, dimensions: int) -> float:
    """Return how much memory, in MiB, three training steps need beyond the loaded libraries.

    On a CPU this is the growth of a fresh process's peak resident set; on a GPU torch's peak of allocated memory.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory_here, (trainer_name, arguments, classes, dimensions))


def peak_resident_mib() -> float:
    """Return this process's peak resident set; not getrusage's, which a child inherits from its parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024


def _peak_memory_here(trainer_name: str, arguments: argparse.Namespace, classes: int, dimensions: int) -> float:
    trainer_class = nnUNetTrainer if trainer_name == "nnUNetTrainer" else find_trainer(trainer_name).load()
    with sandbox():
        before = peak_resident_mib()
        trainer = build_trainer(trainer_class, arguments, classes, dimensions)
        batch = make_batch(trainer, classes)
        for _ in range(3):
            trainer.train_step(batch)
    if trainer.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_resident_mib() - before


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", help="default: every segmentation trainer of the registry")
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 14, 60, 118])
    parser.add_argument("--dimensions", type=int, nargs="+", choices=(2, 3), default=[3])
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too (a fresh process each)")
    parser.add_argument("--csv", type=Path, help="where to write the table")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    registered = {entry.name: entry for entry in all_trainers(kind="segmentation")}
    names = arguments.trainers or [name for name in registered if not name.endswith(SKIPPED)]
    cases = [(d, c, name) for d in arguments.dimensions for c in arguments.classes for name in names]
    rows = []
    for dimensions, classes, name in track(cases, console=Console(stderr=True)):
        row = compare(registered[name].load(), arguments, classes, dimensions)
        if arguments.memory:
            row["stock_memory_mib"] = round(peak_memory("nnUNetTrainer", arguments, classes, dimensions))
            row["memory_mib"] = round(peak_memory(name, arguments, classes, dimensions))
        rows.append(row)
        gc.collect()
    show_and_write(rows, arguments.csv)


def show_and_write(rows: list[dict[str, Any]], path: Path | None) -> None:
    """Print rows as a table, and write them as CSV where a path is given."""
    machine = platform.processor() or platform.machine()
    title = f"{machine}, torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=160).print(table)
    if path:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
