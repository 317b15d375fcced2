"""What `video-triplet deploy` is asked for. Light: nothing heavy is loaded to read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.graphs.kinds import Precision, Runtime

PRECISIONS: tuple[Precision, ...] = ("f32", "int8")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as it is asked for.

    Attributes:
        model: A finished model's file.
        output: New folder.
        runtime: What computes the graph.
        precision: In which numbers: one of `PRECISIONS`.
        calibration: Video file or folder of images, for `int8` and for how far probabilities move.
    """

    model: Path
    output: Path
    runtime: Runtime = "openvino"
    precision: Precision = "f32"
    calibration: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, all at once.

        Raises:
            SettingsError: listing it.
        """
        problems = []
        if self.precision not in PRECISIONS:
            problems.append(f"precision is {self.precision}, allowed are {', '.join(PRECISIONS)}")
        if self.precision != "f32" and self.calibration is None:
            problems.append(
                f"{self.precision} changes what the model says: give frames to see how much (--calibration)"
            )
        if self.calibration is not None and not self.calibration.exists():
            problems.append(f"--calibration: there is no file or folder {self.calibration}")
        if problems:
            raise SettingsError(problems, source="what video-triplet deploy was asked for")
