"""Where the parts of a study lie: nnU-Net's three folders, and the study's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.common import json_files
from nnunet_dsd.nnunet_folders import nnunet_folder
from nnunet_dsd.plans import dataset_folder

FINAL, LATEST, BEST = "checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"


@dataclass(frozen=True)
class Places:
    """Folders of one data set in nnU-Net's trees, and the folder of the study.

    Attributes:
        raw: `nnUNet_raw/DATASET`.
        preprocessed: `nnUNet_preprocessed/DATASET`.
        results: `nnUNet_results/DATASET`; made by nnU-Net.
        study: The folder given with `-o`.
        test: Folders of test cases and their references; None: those of the raw data set.
    """

    raw: Path
    preprocessed: Path
    results: Path
    study: Path
    test: tuple[Path, Path] | None = None

    @property
    def test_images(self) -> Path:
        """Folder of the test cases."""
        return self.raw / "imagesTs" if self.test is None else self.test[0]

    @property
    def test_labels(self) -> Path:
        """Folder of the references of the test cases."""
        return self.raw / "labelsTs" if self.test is None else self.test[1]

    def fold(self, run: Run) -> Path:
        """Folder in which nnU-Net trains a run."""
        return self.results / run.model / f"fold_{run.fold}"

    def lock(self, run: Run) -> Path:
        """Held while a run is worked on; beside the results, so that two folders of one study exclude each other."""
        return self.results / run.model / f".fold_{run.fold}.lock"

    def test_predictions(self, run: Run) -> Path:
        """Folder of a run's label images of the test cases."""
        return self.study / "predictions" / run.name

    def evaluation(self, run: Run) -> Path:
        """Folder of a run's scores."""
        return self.study / "evaluations" / run.name

    def log(self, run: Run, step: str) -> Path:
        """Output of one step of a run."""
        return self.study / "logs" / f"{run.name}-{step}.txt"

    def failure(self, run: Run) -> Path:
        """Holds the message of a run that failed, until it is tried again."""
        return self.study / "failures" / f"{run.name}.txt"

    def references(self, fold: object) -> Path:
        """Folder with copies of the reference labels of a fold's validation cases."""
        return self.study / "references" / f"fold_{fold}"

    @property
    def dataset_json(self) -> Path:
        """nnU-Net's description of the data set."""
        return self.preprocessed / "dataset.json"

    @property
    def splits(self) -> Path:
        """nnU-Net's folds; written by its first training where there are none."""
        return self.preprocessed / "splits_final.json"

    @property
    def training_references(self) -> Path:
        """nnU-Net's copy of the reference labels of all training cases."""
        return self.preprocessed / "gt_segmentations"

    @property
    def report(self) -> Path:
        """Folder of the comparison."""
        return self.study / "report"

    @property
    def runs_json(self) -> Path:
        """What is compared."""
        return self.study / "runs.json"

    def file_ending(self) -> str:
        """Return how the data set's files end, such as `.nii.gz`."""
        return str(read_json(self.dataset_json)["file_ending"])


def find_places(study: Study, folder: Path) -> Places:
    """Find a study's data set in nnU-Net's folders.

    Args:
        study: The study.
        folder: Of its files.

    Raises:
        SetupError: if one of nnU-Net's folders is not set or does not exist.
        DataError: if there is no such data set.
    """
    preprocessed = dataset_folder(study.dataset)
    raw, results = (nnunet_folder(variable).absolute() for variable in ("nnUNet_raw", "nnUNet_results"))
    own = raw / preprocessed.name
    named = (study.test_images or own / "imagesTs", study.test_labels or own / "labelsTs")
    images, labels = (Path(path).expanduser().absolute() for path in named)
    return Places(own, preprocessed, results / preprocessed.name, folder.expanduser().absolute(), (images, labels))


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; errors as of `common.json_files.read_json`."""
    return json_files.read_json(path, broken=lambda reason: f"{path} cannot be read: {reason}")
