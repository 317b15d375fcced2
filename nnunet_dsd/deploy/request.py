"""What `nnunet-dsd deploy` is asked for. Light: nothing heavy is loaded to read it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.graphs.kinds import Precision, Runtime


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as it is asked for.

    Attributes:
        model: Folder `TRAINER__PLANS__CONFIGURATION`, or a zip that holds one.
        folds: Which are averaged; None: all that have the checkpoint.
        checkpoint: Of every fold.
        output: New folder.
        runtime: What computes the graph.
        precision: In which numbers.
        calibration: Folder of images, for `int8` and for how far label maps move in what is not `f32`.
        labels: Folder of their references, for how far scores move.
        tolerance: Points of Dice, in percent, that may be lost.
    """

    model: Path
    folds: tuple[str, ...] | None = None
    checkpoint: str = "checkpoint_final.pth"
    output: Path
    runtime: Runtime = "openvino"
    precision: Precision = "f32"
    calibration: Path | None = None
    labels: Path | None = None
    tolerance: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be, all at once.

        Raises:
            SettingsError: listing it.
        """
        problems = []
        if self.runtime == "onnx" and self.precision in ("bf16", "f16"):
            problems.append(f"ONNX Runtime computes on a processor in f32 or int8, not in {self.precision}")
        if self.precision != "f32" and self.calibration is None:
            problems.append(
                f"{self.precision} changes what the model says: give images to see how much (--calibration)"
            )
        if self.labels is not None and self.calibration is None:
            problems.append("--labels are references of the images of --calibration, which is missing")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            problems.append(f"a tolerance is 0 or more points of Dice, got {self.tolerance}")
        for folder in (self.calibration, self.labels):
            if folder is not None and not folder.is_dir():
                problems.append(f"{folder} is no folder")
        if problems:
            raise SettingsError(problems, source="what nnunet-dsd deploy was asked for")
