"""Results of evaluations as JSON and CSV; fractions throughout, empty or null where there is no number."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.files import whole_file, write_json
from video_triplet.predictions.metrics import Evaluation, cross_validation
from video_triplet.predictions.scores import Score

Named = Sequence[tuple[str, Evaluation]]  # the name of a fold, and its evaluation


def write_scores(folder: Path, folds: Named) -> None:
    """Write `evaluation.json`, `per_video.csv` and `per_class.csv`, each whole."""
    write_json(folder / "evaluation.json", as_json(folds))
    _write_csv(folder / "per_video.csv", ("fold", "video", "score", "map"), per_video_rows(folds))
    _write_csv(folder / "per_class.csv", ("fold", "score", "class", "ap", "global_ap"), per_class_rows(folds))


def all_scores(evaluation: Evaluation) -> dict[str, Score]:
    """Return every score by name: components as `ivt`, auxiliary heads as `instrument head`."""
    heads = {f"{head} head": score for head, score in evaluation.heads.items()}
    return {**{str(name): score for name, score in evaluation.components.items()}, **heads}


def as_json(folds: Named) -> dict[str, Any]:
    """Return what `evaluation.json` holds; with several folds also mean and standard deviation over them."""
    content: dict[str, Any] = {
        "ignore_null": folds[0][1].ignore_null,
        "folds": [{"name": name, **_fold_json(evaluation)} for name, evaluation in folds],
    }
    if len(folds) > 1:
        evaluations = [evaluation for _, evaluation in folds]
        content["cross_validation"] = {
            component: {"mean_ap": _number(score.mean), "std": _number(score.std)}
            for component in evaluations[0].components
            for score in [cross_validation(evaluations, component)]
        }
    return content


def per_video_rows(folds: Named) -> Iterable[tuple[Any, ...]]:
    """Yield fold, video, score and mAP."""
    for name, evaluation in folds:
        for score_name, score in all_scores(evaluation).items():
            for video, value in zip(evaluation.videos, score.per_video_map.tolist(), strict=True):
                yield name, video, score_name, _number(value)


def per_class_rows(folds: Named) -> Iterable[tuple[Any, ...]]:
    """Yield fold, score, class, AP as mean over videos, and AP over all frames."""
    for name, evaluation in folds:
        for score_name, score in all_scores(evaluation).items():
            for row in zip(score.classes, score.class_ap.tolist(), score.global_ap.tolist(), strict=True):
                yield name, score_name, row[0], _number(row[1]), _number(row[2])


def _fold_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "videos": list(evaluation.videos),
        "frames": evaluation.frames,
        "unlabelled_frames": evaluation.unlabelled_frames,
        "unscored_heads": list(evaluation.unscored_heads),
        "trained_on": list(evaluation.trained_on),
        "selected_on": list(evaluation.selected_on),
        "scores": {name: _score_json(score) for name, score in all_scores(evaluation).items()},
    }


def _score_json(score: Score) -> Mapping[str, Any]:
    top_k = {str(k): _number(value) for k, value in score.top_k.items()}
    return {"mean_ap": _number(score.mean_ap), "global_map": _number(score.global_map), "top_k": top_k}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
