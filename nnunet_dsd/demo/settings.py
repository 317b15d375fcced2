"""What a demo run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError

DEFAULT_FOLDER = Path("nnunet-dsd-demo")
DATASET_ID = 990
DATASET_NAME = "Dataset990_Phantom"
CONFIGURATION = "3d_fullres"
PLANS = "nnUNetPlans_demo"
TEST_CASES = 6
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Settings of a demo run; the defaults take about five minutes on two CPU cores.

    Attributes:
        folder: everything is written here and nowhere else.
        epochs: epochs of the training.
        iterations: training steps per epoch.
        cases: training cases; nnU-Net holds a fifth of them back for validation.
        trainer: name of a trainer that reads its budget from the plans.
        seed: of the phantom, and of the training's weights.
        device: cpu or cuda.

    Raises:
        SettingsError: listing every impossible value.
    """

    folder: Path = DEFAULT_FOLDER
    epochs: int = 10
    iterations: int = 50
    cases: int = 20
    trainer: str = "nnUNetTrainerDSD"
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = []
        for name, least in (("epochs", 1), ("iterations", 1), ("cases", 5), ("seed", 0)):
            if getattr(self, name) < least:
                problems.append(f"--{name} is {getattr(self, name)}; it must be at least {least}")
        if self.device not in DEVICES:
            problems.append(f"--device is {self.device}; it must be {' or '.join(DEVICES)}")
        if problems:
            raise SettingsError(problems, source="the demo's settings")
