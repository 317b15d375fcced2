"""Model folders `TRAINER__PLANS__CONFIGURATION` as nnU-Net leaves them: what is read from them, and which folds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.errors import DataError


def read_model_folder(model: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plans and the dataset.json of a model folder.

    Raises:
        DataError: if it is no model folder.
    """
    missing = [name for name in ("plans.json", "dataset.json") if not (model / name).is_file()]
    if missing:
        raise DataError(
            f"{model} is no nnU-Net model folder: it lacks {' and '.join(missing)}. Expected a folder such as "
            "nnUNet_results/Dataset004_Hippocampus/nnUNetTrainerDSD__nnUNetPlans__3d_fullres"
        )
    return json.loads((model / "plans.json").read_text()), json.loads((model / "dataset.json").read_text())


def fold_checkpoints(model: Path, folds: Sequence[str] | None, checkpoint: str) -> list[Path]:
    """Return the checkpoints of a model's folds; None takes every fold that has the checkpoint.

    Raises:
        DataError: if there is none, or a named fold lacks it.
    """
    if folds is None:
        found = sorted(model.glob(f"fold_*/{checkpoint}"))
        if not found:
            raise DataError(f"no fold of {model} has a {checkpoint}; name another with -chk")
        return found
    paths = [model / f"fold_{fold}" / checkpoint for fold in folds]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"missing: {', '.join(missing)}; finish these folds or name others with -f")
    return paths
