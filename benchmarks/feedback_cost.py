"""Step time of a student with feedback against the student's own step plus one look of its teacher.

    python benchmarks/feedback_cost.py --student-width 0.25 0.5 --rounds 9 --csv feedback_cost.csv

The teacher is nnU-Net's network at full width with random weights. The student's step, the teacher's forward pass and
the step with feedback are taken in turn in one process; the ratio is the median of the rounds' ratios. On a CPU the
time is the processor's; set OMP_NUM_THREADS=1, so that waiting threads do not count.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from rich.console import Console
from rich.progress import track
from step_cost import PATCHES, make_batch, plans_for, sandbox, seconds_of, show_and_write

from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.registry import find_trainer

STUDENT = "nnUNetTrainerHLFD"
LABELS = {"background": 0, "organ": 1, "tumour": 2}
DATASET = {"channel_names": {"0": "MRI"}, "labels": LABELS, "numTraining": 1, "file_ending": ".nii.gz"}


def build(trainer_class: type, plans: dict[str, Any], device: str) -> nnUNetTrainer:
    """Build a trainer that is ready for a step."""
    trainer = trainer_class(copy.deepcopy(plans), "benchmark", 0, copy.deepcopy(DATASET), torch.device(device))
    trainer.initialize()
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.network.train()
    return trainer


def write_model(trainer: nnUNetTrainer) -> Path:
    """Write what nnU-Net leaves of a finished training; return the model's folder."""
    folder = Path(trainer.output_folder)
    trainer.save_checkpoint(str(folder / "checkpoint_final.pth"))
    plans = {key: value for key, value in trainer.plans_manager.plans.items() if key != "continue_training"}
    (folder.parent / "plans.json").write_text(json.dumps(plans))
    (folder.parent / "dataset.json").write_text(json.dumps(trainer.dataset_json))
    return folder.parent


def with_preparation(plans: dict[str, Any], dimensions: int) -> dict[str, Any]:
    """Add what a teacher and its student must have in common."""
    plans["transpose_forward"] = list(range(dimensions))
    plans["configurations"]["benchmark"] |= {
        "spacing": [1.0] * dimensions,
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "preprocessor_name": "DefaultPreprocessor",
    }
    return plans


def look_of_teacher(taught: Any, batch: dict[str, Any]) -> None:
    """Let the teacher see a batch as the student's step does, in the same precision."""
    with taught.autocast():
        taught.teachers[0](batch["data"].to(taught.device))


def work_of(work: Callable[[], Any], device: torch.device) -> float:
    """Return the processor's seconds of one call, which other programs disturb little; on a GPU the wall time."""
    if device.type != "cpu":
        return seconds_of(work, device)
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(width: float, method: str, dimensions: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time one student; return one row of results."""
    patch = PATCHES[dimensions]
    with sandbox():
        teacher = build(
            nnUNetTrainer,
            with_preparation(plans_for(dimensions, patch, arguments.batch_size, 1.0), dimensions),
            arguments.device,
        )
        plans = with_preparation(plans_for(dimensions, patch, arguments.batch_size, width), dimensions)
        alone = build(nnUNetTrainer, plans, arguments.device)
        plans["configurations"]["benchmark"][PLANS_KEY] = {
            "feedback": method,
            "feedback_teacher": str(write_model(teacher)),
            "feedback_known_cases": True,
        }
        taught: Any = build(find_trainer(STUDENT).load(), plans, arguments.device)
        batch = make_batch(taught, len(LABELS))
        works = {
            "student_step": lambda: alone.train_step(batch),
            "teacher_forward": lambda: look_of_teacher(taught, batch),
            "step": lambda: taught.train_step(batch),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for round_number in range(arguments.rounds + 1):
            order = list(works) if round_number % 2 else list(reversed(works))
            for name in order:
                seconds = work_of(works[name], taught.device)
                if round_number:  # the first one warms up
                    times[name].append(seconds)
    ratios = [
        step / (student + look)
        for step, student, look in zip(times["step"], times["student_step"], times["teacher_forward"], strict=True)
    ]
    return {
        "dimensions": dimensions,
        "student_width": width,
        "feedback": method,
        **{f"{name}_s": round(statistics.median(values), 4) for name, values in times.items()},
        "ratio": round(statistics.median(ratios), 3),
        "smallest": round(min(ratios), 3),
        "largest": round(max(ratios), 3),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student-width", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--feedback", nargs="+", default=["hlfd"])
    parser.add_argument("--dimensions", type=int, nargs="+", choices=(2, 3), default=[3])
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--csv", type=Path, help="where to write the table")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    cases = [(w, f, d) for d in arguments.dimensions for w in arguments.student_width for f in arguments.feedback]
    rows = [measure(*case, arguments) for case in track(cases, console=Console(stderr=True))]
    show_and_write(rows, arguments.csv)


if __name__ == "__main__":
    main()
