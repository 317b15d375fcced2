"""Tumour slices through `nnunet-dsd evaluate`: Dice and volume difference per slice, and from them per volume."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import SCAN_SPACING, make_nnunet_folders, write_kits

from nnunet_dsd.cli.main import main


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Predictions of converted slices with known errors: their masks, and the evaluation's folder."""
    nnunet = make_nnunet_folders(tmp_path / "nnunet", monkeypatch)
    write_kits(tmp_path / "source")
    words = ["-d", "19", "--incomplete", "--tumour-slices", "--test-cases", "1", "--processes", "1"]
    assert main(["convert", "kits19", str(tmp_path / "source"), *words]) == 0
    references = nnunet / "nnUNet_raw" / "Dataset019_KiTS19TumourSlices" / "labelsTr"
    predictions, masks = tmp_path / "predictions", {}
    predictions.mkdir()
    rng = np.random.default_rng(4)
    for path in sorted(references.iterdir()):
        reference = sitk.ReadImage(str(path))
        expected = sitk.GetArrayFromImage(reference)
        predicted = expected ^ (rng.random(expected.shape) < 0.1)
        image = sitk.GetImageFromArray(predicted.astype(np.uint8))
        image.CopyInformation(reference)
        sitk.WriteImage(image, str(predictions / path.name))
        masks[path.name.removesuffix(".nii.gz")] = (predicted, expected)
    assert main(["evaluate", str(predictions), str(references), "--processes", "1"]) == 0
    return masks, predictions / "evaluation"


def test_every_slice_has_the_dice_and_volume_difference_of_its_pixels(evaluated):
    masks, folder = evaluated
    scores = {score["case"]: score for score in json.loads((folder / "evaluation.json").read_text())["scores"]}
    assert scores.keys() == masks.keys()
    assert len(scores) == 10
    for case, (predicted, expected) in masks.items():
        both = sum(p == e == 1 for p, e in zip(predicted.flat, expected.flat, strict=True))
        p, e = int(predicted.sum()), int(expected.sum())
        assert scores[case]["structure"] == "tumour"
        assert scores[case]["dice"] == pytest.approx(2 * both / (p + e))
        assert scores[case]["rvd"] == pytest.approx(p / e - 1)
        assert scores[case]["abs_rvd"] == pytest.approx(abs(p / e - 1))
        assert (scores[case]["prediction_voxels"], scores[case]["reference_voxels"]) == (p, e)
        assert scores[case]["hd95_mm"] >= min(SCAN_SPACING)


def test_the_pages_example_adds_the_slices_of_a_volume_up(evaluated, monkeypatch):
    masks, folder = evaluated
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "evaluate.md").read_text()
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "_slice_" in block)
    monkeypatch.chdir(folder.parent)
    names = {}
    exec(example, names)
    volumes = {case[:10] for case in masks}
    assert names["scores"].keys() == volumes
    for volume in volumes:
        predicted, expected = (
            np.stack([pair[index] for case, pair in masks.items() if case[:10] == volume]) for index in (0, 1)
        )
        both = np.logical_and(predicted, expected).sum()
        dice, difference = names["scores"][volume]
        assert dice == pytest.approx(2 * both / (predicted.sum() + expected.sum()))
        assert difference == pytest.approx(predicted.sum() / expected.sum() - 1)
