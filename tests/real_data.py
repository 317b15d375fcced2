"""Real data sets beside the repository: for measurements, never part of it; tests skip where one is absent."""

import json
import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def real_data(name):
    """The folder of a real data set; the test is skipped where it is absent."""
    if not (FOLDER / name).is_dir():
        pytest.skip(f"the real data set {name} is absent: {FOLDER / name}")
    return FOLDER / name


def write_hippocampus(folder, *, training_cases, test_cases):
    """Write the first cases of Hippocampus in nnU-Net's raw format."""
    source = real_data("hippocampus")
    names = sorted(path.name.removesuffix(".nii.gz") for path in (source / "images").glob("*.nii.gz"))
    for index, name in enumerate(names[: training_cases + test_cases]):
        part = "Tr" if index < training_cases else "Ts"
        for kind, target in (("images", f"{name}_0000"), ("labels", name)):
            (folder / f"{kind}{part}").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / kind / f"{name}.nii.gz", folder / f"{kind}{part}" / f"{target}.nii.gz")
    labels = {"background": 0, "anterior": 1, "posterior": 2}
    description = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": training_cases}
    (folder / "dataset.json").write_text(json.dumps({**description, "file_ending": ".nii.gz"}))
