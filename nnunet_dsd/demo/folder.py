"""The demo's folder: where each thing lies, and which folders the demo may write to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import write_text
from nnunet_dsd.demo.settings import CONFIGURATION, DATASET_NAME, PLANS

SIGNATURE = ".nnunet-dsd-demo"
SIGNATURE_TEXT = "This folder was made by `nnunet-dsd demo`, which may overwrite and delete what is in it.\n"
NEEDED_BYTES = 10**9


@dataclass(frozen=True)
class DemoFolder:
    """Paths within the folder of a demo run."""

    root: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """nnU-Net's three folders, by the environment variable that names them."""
        return {name: str(self.root / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}

    @property
    def raw(self) -> Path:
        """The phantom in nnU-Net's raw format."""
        return self.root / "nnUNet_raw" / DATASET_NAME

    @property
    def preprocessed(self) -> Path:
        """nnU-Net's plans and preprocessed cases."""
        return self.root / "nnUNet_preprocessed" / DATASET_NAME

    @property
    def results(self) -> Path:
        """nnU-Net's trained models of the data set."""
        return self.root / "nnUNet_results" / DATASET_NAME

    def fold(self, trainer: str) -> Path:
        """Folder of the one fold that is trained."""
        return self.results / f"{trainer}__{PLANS}__{CONFIGURATION}" / "fold_0"

    @property
    def predictions(self) -> Path:
        """Label images predicted for the test cases."""
        return self.root / "predictions"

    @property
    def lock(self) -> Path:
        """Held while a demo, or a program it started, works here."""
        return self.root / ".lock"

    @property
    def logs(self) -> Path:
        """Output of every command."""
        return self.root / "logs"

    @property
    def markers(self) -> Path:
        """Which steps have finished, with which parameters."""
        return self.root / "steps"

    @property
    def overlays(self) -> Path:
        """Figure with contours."""
        return self.root / "overlays.png"

    @property
    def scores_figure(self) -> Path:
        """Figure with the scores per case."""
        return self.root / "scores.png"

    @property
    def scores_csv(self) -> Path:
        """Scores as a table."""
        return self.root / "scores.csv"

    @property
    def scores_json(self) -> Path:
        """Scores and their summaries."""
        return self.root / "scores.json"

    @property
    def report(self) -> Path:
        """The report, one file with everything inside."""
        return self.root / "report.html"

    @property
    def intermediate(self) -> tuple[Path, ...]:
        """What `--clean` deletes: data, model and predictions."""
        nnunet = tuple(Path(path) for path in self.environment.values())
        return (*nnunet, self.predictions, self.markers)

    @property
    def kept(self) -> tuple[Path, ...]:
        """What `--clean` leaves: report, figures, scores and logs."""
        return (self.report, self.overlays, self.scores_figure, self.scores_csv, self.scores_json, self.logs)


def open_demo_folder(root: Path) -> DemoFolder:
    """Make a folder the demo's own, or come back to it.

    Raises:
        SetupError: if it holds files that are not the demo's, is no folder, or cannot be written to.
    """
    root = root.expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise SetupError(f"{root} is a file; the demo needs a folder of its own. Give another with -o.")
    if root.is_dir() and any(root.iterdir()) and not (root / SIGNATURE).is_file():
        raise SetupError(
            f"{root} is not empty and was not made by the demo (it has no file {SIGNATURE}); "
            "the demo leaves it alone. Give an empty or new folder with -o."
        )
    try:
        write_text(root / SIGNATURE, SIGNATURE_TEXT)
    except OSError as error:
        raise SetupError(f"{root} cannot be written to ({error.strerror}); give another folder with -o.") from error
    return DemoFolder(root)


def check_disk_space(folder: DemoFolder, *, needed_bytes: int = NEEDED_BYTES) -> None:
    """Refuse to start without room for data, checkpoints and predictions.

    Raises:
        SetupError: if less than `needed_bytes` are free.
    """
    free = shutil.disk_usage(folder.root).free
    if free < needed_bytes:
        raise SetupError(
            f"{free / 1e9:.2f} GB are free at {folder.root}; the demo needs about {needed_bytes / 1e9:.1f} GB. "
            "Free some space, or give a folder on another disk with -o."
        )
