"""What `nnunet-dsd plan` notes of plans that are sound, and that the user should look at all the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.likeness import did_you_mean, nearest_first
from nnunet_dsd.datasets.sided_names import sided_pairs
from nnunet_dsd.distillation.feedback_settings import FeedbackSettings, named_by_path
from nnunet_dsd.registry import installed_registry
from nnunet_dsd.soft_labels.names import MANIFEST, SETS


def missing_teacher(block: Mapping[str, Any], dataset: str, trainer: str) -> str | None:
    """Return what to say of a teacher that is not there yet; None where it is, or none is needed."""
    name = block.get("feedback_teacher") or ""
    results = os.environ.get("nnUNet_results")
    if not name:
        entry = installed_registry().trainers.get(trainer)
        taught = entry is not None and "feedback_teacher" in (entry.reads or ())
        needed = taught and block.get("feedback") != "none"
        return f"{trainer} needs a teacher; name one with --feedback-teacher" if needed else None
    if named_by_path(name):
        folder = Path(name)
    elif results:
        folder = Path(results) / dataset / name
    else:
        return f"nnUNet_results is not set, so the teacher {name} was not looked for"
    checkpoint = block.get("feedback_teacher_checkpoint") or FeedbackSettings().feedback_teacher_checkpoint
    if any(folder.glob(f"fold_*/{checkpoint}")):
        return None
    if (folder / "plans.json").is_file():
        return f"the teacher {folder} is not finished: no fold of it has a {checkpoint} yet"
    missing = f"there is no teacher {folder} yet; it must be trained before the student"
    trained = sorted(path.parent.name for path in folder.parent.glob("*/plans.json"))
    if not trained:
        return f"{missing}. There is no trained model in {folder.parent}"
    hint = did_you_mean(folder.name, trained)
    return f"{missing}. {hint}{' ' * bool(hint)}Trained models there: {', '.join(nearest_first(folder.name, trained))}"


def missing_soft_labels(block: Mapping[str, Any], folder: Path, trainer: str) -> str | None:
    """Return what to say of soft labels that are not there yet; None where they are, or none are needed."""
    name, known = block.get("soft_labels"), sorted(path.parent.name for path in (folder / SETS).glob(f"*/{MANIFEST}"))
    if name is None:
        entry = installed_registry().trainers.get(trainer)
        needed = entry is not None and "soft_labels" in (entry.reads or ())
        return f"{trainer} needs soft labels; name some with --soft-labels" if needed else None
    if name in known:
        return None
    there = f"there are {', '.join(nearest_first(name, known))}" if known else "there are none"
    return f"there are no soft labels '{name}' of {folder.name} yet ({there}); make them with `nnunet-dsd soft-labels`"


def mirrored_sides(folder: Path, blocks: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what to say of labels with a left and a right one that mirroring confuses; None where nothing is."""
    if all(not block.get("augmentation", True) or block.get("mirror_axes") is not None for block in blocks):
        return None
    try:
        labels = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]
    except (OSError, ValueError, KeyError, TypeError):  # not this command's to judge
        return None
    pairs = sided_pairs(labels)
    if not pairs:
        return None
    left, right = pairs[0]
    others = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
    return (
        f"'{left}' and '{right}'{others} look like a left and a right structure, and patches are mirrored along every "
        "axis, which swaps the two. Leave the axis from left to right out with --mirror-axes, or mirror none with "
        "--mirror-axes none"
    )
