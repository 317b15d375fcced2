"""Evaluations and run lists made up for tests."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from nnunet_dsd.evaluation.export import write_evaluation_json
from nnunet_dsd.evaluation.results import Evaluation, Score
from nnunet_dsd.evaluation.structures import Structure

HEAD_AND_TAIL = (Structure("head", (1,)), Structure("tail", (2,)))


def evaluation(values, structures=HEAD_AND_TAIL, *, reference_voxels=100, **conventions):
    """An evaluation from {case: {measure: one value per structure}}; what is not given is NaN."""
    names = [name for name in Score.__dataclass_fields__ if name.endswith(("dice", "_mm", "rvd", "_ml"))]
    scores = []
    for case, measures in values.items():
        for place, structure in enumerate(structures):
            given = {name: measures[name][place] if name in measures else math.nan for name in names}
            scores.append(
                Score(case, structure.name, **given, prediction_voxels=90, reference_voxels=reference_voxels + place)
            )
    return Evaluation(tuple(structures), tuple(scores), **conventions)


def write_evaluation(path: Path, values, structures=HEAD_AND_TAIL, **options) -> Path:
    """Write an evaluation and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_evaluation_json(path, evaluation(values, structures, **options))
    return path


def random_values(cases, *, seed, gain=0.0, structures=2):
    """Plausible Dice and HD95 that share the cases' difficulty between seeds; gain is added to the Dice."""
    difficulty = np.random.default_rng(1234).uniform(0.02, 0.15, size=(len(cases), structures))
    noise = np.random.default_rng(seed).normal(0, 0.01, size=(len(cases), structures))
    dice = np.clip(1 - difficulty + noise + gain, 0, 1)
    return {
        case: {"dice": row.tolist(), "hd95_mm": (20 * (1 - row)).tolist()}
        for case, row in zip(cases, dice, strict=True)
    }


def write_run_list(path: Path, runs, **entries) -> Path:
    """Write a list of runs and return its path."""
    path.write_text(json.dumps({"title": "A comparison", **entries, "runs": runs}))
    return path
