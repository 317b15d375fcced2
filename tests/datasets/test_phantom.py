"""The phantom: same bytes for the same seed, two touching structures, not separable by intensity alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation
from scipy.ndimage import label as label_pieces

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.datasets.phantom import SPACING_MM, make_phantom_case, write_phantom_dataset

CASES = [make_phantom_case(seed=3, index=index) for index in range(6)]


def test_same_seed_and_index_give_the_same_bytes() -> None:
    again = make_phantom_case(seed=3, index=4)
    assert again.image.tobytes() == CASES[4].image.tobytes()
    assert again.label.tobytes() == CASES[4].label.tobytes()
    assert again.origin_mm == CASES[4].origin_mm


def test_other_seeds_and_indices_give_other_images() -> None:
    images = [make_phantom_case(seed=seed, index=index).image for seed, index in ((3, 0), (3, 1), (4, 0))]
    assert len({image.tobytes() for image in images}) == 3


@pytest.mark.parametrize("case", CASES)
def test_both_structures_are_one_piece_and_touch(case) -> None:
    bulb, tail = case.label == 1, case.label == 2
    assert label_pieces(bulb)[1] == label_pieces(tail)[1] == 1
    assert (binary_dilation(bulb) & tail).sum() >= 8


@pytest.mark.parametrize("case", CASES)
def test_volumes_are_those_of_a_hippocampus_within_a_factor(case) -> None:
    voxel_mm3 = float(np.prod(SPACING_MM))
    for value in (1, 2):
        assert 400 < (case.label == value).sum() * voxel_mm3 < 8000


@pytest.mark.parametrize("case", CASES)
def test_image_and_label_fit_and_have_the_stated_types(case) -> None:
    assert case.image.shape == case.label.shape
    assert case.image.dtype == np.int16
    assert case.label.dtype == np.uint8
    assert set(np.unique(case.label)) == {0, 1, 2}
    assert all(20 <= side <= 56 for side in case.image.shape)


def test_best_intensity_window_alone_does_not_find_the_structure() -> None:
    best = []
    for case in CASES:
        structure = case.label > 0
        low, high = np.percentile(case.image[structure], [5, 95])
        window = (case.image >= low) & (case.image <= high)
        best.append(2 * (window & structure).sum() / (window.sum() + structure.sum()))
    assert max(best) < 0.5


def test_written_data_set_is_what_nnunet_reads(tmp_path: Path) -> None:
    folder = tmp_path / "nnUNet_raw" / "Dataset990_Phantom"
    write_phantom_dataset(folder, training_cases=5, test_cases=2, seed=3)
    content = json.loads((folder / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "bulb": 1, "tail": 2}
    assert content["numTraining"] == 5
    for part, count in (("Tr", 5), ("Ts", 2)):
        images = sorted(path.name for path in (folder / f"images{part}").iterdir())
        labels = sorted(path.name for path in (folder / f"labels{part}").iterdir())
        assert len(images) == count
        assert images == [name.replace(".nii.gz", "_0000.nii.gz") for name in labels]


def test_written_volumes_keep_arrays_spacing_and_origin(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset990_Phantom"
    write_phantom_dataset(folder, training_cases=5, test_cases=1, seed=3)
    image = sitk.ReadImage(str(folder / "imagesTr" / "phantom_002_0000.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(image), CASES[2].image)
    assert image.GetSpacing() == pytest.approx((1.0, 1.0, 2.5))
    assert image.GetOrigin() == pytest.approx(CASES[2].origin_mm[::-1])


def test_training_and_test_cases_differ(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset990_Phantom"
    write_phantom_dataset(folder, training_cases=5, test_cases=1, seed=3)
    test_image = (folder / "imagesTs" / "phantom_test_000_0000.nii.gz").read_bytes()
    assert all(path.read_bytes() != test_image for path in (folder / "imagesTr").iterdir())


def test_impossible_sizes_are_refused_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        write_phantom_dataset(tmp_path / "never", training_cases=4, test_cases=0, seed=-1)
    assert len(caught.value.problems) == 3
    assert not (tmp_path / "never").exists()


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunet_dsd.datasets import phantom

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(phantom, "write_dataset_json", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_phantom_dataset(tmp_path / "Dataset990_Phantom", training_cases=5, test_cases=1, seed=3)
    assert list(tmp_path.iterdir()) == []
