"""Train variants on the MSD Hippocampus cases with one small budget each, and score them on cases set apart.

    python benchmarks/hippocampus.py prepare CASES       # once: nnU-Net raw data, planning, preprocessing
    python benchmarks/hippocampus.py run RESULTS.csv --seeds 1 2 3 --budget 10x100 --width 0.25 stock dsd ...
    python benchmarks/hippocampus.py table RESULTS.csv
    python benchmarks/hippocampus.py figure RESULTS.csv -o curves.png

CASES is a folder with `images/NAME.nii.gz` and `labels/NAME.nii.gz`. Every fifth case in order of names is set apart
as test case. `run` uses nnU-Net's own data loading, augmentation, loop and sliding-window prediction (no mirroring),
in this process, on fold 0; it appends a row per finished run and skips rows that are there. A variant is a name from
VARIANTS, or TRAINER:setting=value,setting=value.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DATASET = "Dataset004_Hippocampus"
TEST_EVERY = 5
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#000000", "#56b4e9", "#8b5a2b", "#7f7f7f")
VARIANTS = {
    "stock": "nnUNetTrainerStock",
    "basic": "nnUNetTrainerBasic",
    "ds": "nnUNetTrainerDS",
    "sdd": "nnUNetTrainerSDD",
    "sde": "nnUNetTrainerSDE",
    "dsd": "nnUNetTrainerDSD",
    "mean": "nnUNetTrainerDSDMean",
    "reversed": "nnUNetTrainerDSDReversed",
    "paper": "nnUNetTrainerDSD:preset=paper",
}


def prepare(cases: Path, processes: int) -> None:
    """Copy the cases into nnU-Net's raw format and run nnU-Net's planning and preprocessing."""
    raw = Path(os.environ["nnUNet_raw"]) / DATASET
    names = sorted(path.name.removesuffix(".nii.gz") for path in (cases / "labels").glob("*.nii.gz"))
    if not names:
        sys.exit(f"no labels/*.nii.gz in {cases}")
    for folder in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (raw / folder).mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        part = "Ts" if index % TEST_EVERY == TEST_EVERY - 1 else "Tr"
        shutil.copyfile(cases / "images" / f"{name}.nii.gz", raw / f"images{part}" / f"{name}_0000.nii.gz")
        shutil.copyfile(cases / "labels" / f"{name}.nii.gz", raw / f"labels{part}" / f"{name}.nii.gz")
    description = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "anterior": 1, "posterior": 2},
        "numTraining": len(list((raw / "labelsTr").iterdir())),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(description, indent=2))
    command = ["nnUNetv2_plan_and_preprocess", "-d", "4", "-c", "3d_fullres", "-np", str(processes)]
    subprocess.run(command, check=True)


def parse_variant(variant: str) -> tuple[str, dict[str, Any]]:
    """Return the trainer's name and the settings that a variant names."""
    from nnunet_dsd.config.settings import setting_type
    from nnunet_dsd.presets import find_preset

    trainer, _, assignments = VARIANTS.get(variant, variant).partition(":")
    settings: dict[str, Any] = {}
    for assignment in filter(None, assignments.split(",")):
        name, _, value = assignment.partition("=")
        if name == "preset":
            settings |= find_preset(value).settings
        elif setting_type(name) in (int, float):
            settings[name] = setting_type(name)(value)
        else:
            settings[name] = {"true": True, "false": False}.get(value, value)
    return trainer, settings


def train_and_score(variant: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one variant with one seed; return its scores on the test cases and its training time."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from nnunet_dsd.evaluation.cases import evaluate_folders
    from nnunet_dsd.evaluation.structures import read_label_set
    from nnunet_dsd.plans import PlanChanges, derive_plans, read_plans
    from nnunet_dsd.registry import find_trainer

    preprocessed = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    raw = Path(os.environ["nnUNet_raw"]) / DATASET
    trainer_name, settings = parse_variant(variant)
    epochs, iterations = (int(part) for part in arguments.budget.split("x"))
    budget = {"epochs": epochs, "iterations_per_epoch": iterations, "validation_iterations_per_epoch": 5, "seed": seed}
    patch_size = tuple(arguments.patch_size) if arguments.patch_size else None
    changes = PlanChanges({**settings, **budget}, arguments.batch_size, patch_size, arguments.width)
    plans = derive_plans(read_plans(preprocessed, "nnUNetPlans"), ["3d_fullres"], "nnUNetPlans_benchmark", changes)
    dataset = json.loads((preprocessed / "dataset.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["nnUNet_results"] = scratch
        trainer_class: Any = find_trainer(trainer_name).load()
        plans["continue_training"] = False
        trainer = trainer_class(plans, "3d_fullres", 0, dataset, torch.device(arguments.device))
        start = time.perf_counter()
        trainer.run_training()
        seconds = time.perf_counter() - start
        predictor = nnUNetPredictor(
            use_mirroring=False, device=torch.device(arguments.device), allow_tqdm=False, verbose_preprocessing=False
        )
        predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,))
        predicted = Path(scratch) / "predicted"
        predictor.predict_from_files(str(raw / "imagesTs"), str(predicted), num_processes_preprocessing=1,
                                     num_processes_segmentation_export=1)  # fmt: skip
        evaluation = evaluate_folders(predicted, raw / "labelsTs", read_label_set(raw / "dataset.json"))
        log = trainer.logger.local_logger.my_fantastic_logging
        curve = [round(float(value), 4) for value in log["mean_fg_dice"]]
    return {
        "variant": variant,
        "seed": seed,
        "seconds": round(seconds),
        **_means(evaluation),
        "curve": json.dumps(curve),
    }


def _means(evaluation: Any) -> dict[str, float]:
    row = {}
    summaries = {"dice": evaluation.dice_summary, "hd95_mm": evaluation.hd95_summary}
    for measure, summarise in summaries.items():
        values = {structure.name: summarise(structure.name).mean for structure in evaluation.structures}
        row |= {f"{measure}_{structure}": round(value, 5) for structure, value in values.items()}
        row[measure] = round(statistics.fmean(values.values()), 5)
    return row


def run(arguments: argparse.Namespace) -> None:
    """Run what is missing in the table and append it row by row."""
    done = set()
    if arguments.results.is_file():
        with arguments.results.open() as file:
            done = {(row["variant"], row["seed"], row["setup"]) for row in csv.DictReader(file)}
    patch = "x".join(map(str, arguments.patch_size)) if arguments.patch_size else "as planned"
    setup = f"{arguments.budget} steps, batch {arguments.batch_size}, width {arguments.width:g}, patch {patch}"
    for seed in arguments.seeds:
        for variant in arguments.variants:
            if (variant, str(seed), setup) in done:
                continue
            row = {**train_and_score(variant, seed, arguments), "setup": setup}
            new = not arguments.results.is_file()
            with arguments.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if new:
                    writer.writeheader()
                writer.writerow(row)


def table(results: Path) -> None:
    """Print mean and standard deviation over seeds for each variant."""
    from rich.console import Console
    from rich.table import Table

    with results.open() as file:
        rows = list(csv.DictReader(file))
    shown = Table("setup", "variant", "seeds", "Dice", "HD95 (mm)", "seconds")
    for setup, variant in dict.fromkeys((row["setup"], row["variant"]) for row in rows):
        group = [row for row in rows if (row["setup"], row["variant"]) == (setup, variant)]
        cells = []
        for measure, factor in (("dice", 100), ("hd95_mm", 1)):
            values = [factor * float(row[measure]) for row in group]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.fmean(values):.2f} ± {spread:.2f}")
        shown.add_row(
            setup, variant, str(len(group)), *cells, f"{statistics.fmean(float(r['seconds']) for r in group):.0f}"
        )
    Console(width=180).print(shown)


def figure(results: Path, output: Path) -> None:
    """Draw the learning curves (nnU-Net's pseudo Dice by epoch, mean over seeds) and each run's test Dice."""
    from matplotlib.figure import Figure

    with results.open() as file:
        rows = list(csv.DictReader(file))
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    drawing = Figure(figsize=(12, 0.5 * len(variants) + 1.6), layout="constrained")
    scores, curves = drawing.subplots(1, 2)
    for position, variant in enumerate(variants):
        group = [row for row in rows if row["variant"] == variant]
        per_epoch = zip(*(json.loads(row["curve"]) for row in group), strict=True)
        mean_curve = [statistics.fmean(values) for values in per_epoch]
        look = {"color": COLOURS[position % len(COLOURS)], "linestyle": "-" if position < len(COLOURS) else "--"}
        curves.plot(range(1, len(mean_curve) + 1), mean_curve, **look)
        scores.plot([100 * float(row["dice"]) for row in group], [position] * len(group), "o", color=look["color"])
    labels = [variant.removeprefix("nnUNetTrainer").replace(":", ":\n", 1) for variant in variants]
    scores.set_yticks(range(len(variants)), labels, fontsize="small")
    for label, position in zip(scores.get_yticklabels(), range(len(variants)), strict=True):
        label.set_color(COLOURS[position % len(COLOURS)])
    scores.invert_yaxis()
    scores.grid(axis="x", alpha=0.3)
    scores.set(xlabel="Dice (%), mean of two structures", title="test cases, one point per seed")
    curves.set(xlabel="epoch", ylabel="pseudo Dice on fold 0 (fraction), mean over seeds", title="while training")
    drawing.savefig(output, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    preparing = actions.add_parser("prepare")
    preparing.add_argument("cases", type=Path)
    preparing.add_argument("--processes", type=int, default=2)
    running = actions.add_parser("run")
    running.add_argument("results", type=Path)
    running.add_argument("variants", nargs="+")
    running.add_argument("--seeds", type=int, nargs="+", default=[1])
    running.add_argument("--budget", default="10x100", help="epochs x iterations")
    running.add_argument("--batch-size", type=int, default=2)
    running.add_argument("--width", type=float, default=0.25)
    running.add_argument("--patch-size", type=int, nargs=3)
    running.add_argument("--device", default="cpu")
    actions.add_parser("table").add_argument("results", type=Path)
    drawing = actions.add_parser("figure")
    drawing.add_argument("results", type=Path)
    drawing.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.action == "prepare":
        prepare(arguments.cases, arguments.processes)
    elif arguments.action == "run":
        run(arguments)
    elif arguments.action == "figure":
        figure(arguments.results, arguments.output)
    else:
        table(arguments.results)


if __name__ == "__main__":
    main()
