"""Tumour slices of KiTS and LiTS: which are taken, what is in them, and that no volume is in two parts."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import OBLIQUE, SCAN_SPACING, made_up_scan, rotation, write_kits, write_lits, write_volume
from nnunetv2.utilities.crossval_split import generate_crossval_split

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.kits import read_kits
from nnunet_dsd.datasets.lits import read_lits
from nnunet_dsd.datasets.splits import Fold
from nnunet_dsd.datasets.targets import find_target
from nnunet_dsd.datasets.tumour_ct import TumourSettings
from nnunet_dsd.datasets.tumour_slices import TumourSlices, find_slices, folds_of_slices, scale, write_slices

SLICES = TumourSettings(incomplete=True, slices=True)
PIXEL_MM2 = SCAN_SPACING[0] * SCAN_SPACING[1]


def written(conversion, number=19, processes=1):
    target = find_target(number, conversion.name, conversion.folds)
    findings = convert(conversion, target, processes=processes)
    return target.raw, findings


def pixels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def windowed(image, low, high):
    """The paper's scaling, written a second time."""
    return [[min(max((value - low) / (high - low), 0.0), 1.0) for value in row] for row in image.tolist()]


def expected_names(scans, prefix="", least_pixels=1):
    """Names of the slices that a look at the made-up labels gives."""
    return [
        f"{prefix}{case}_slice_{height:04d}"
        for case, (_, label) in scans.items()
        for height, plane in enumerate(label)
        if (plane >= 2).sum() >= least_pixels
    ]


def image_names(raw, part):
    folder = raw / f"images{part}"
    return sorted(path.name.removesuffix("_0000.nii.gz") for path in folder.iterdir()) if folder.is_dir() else []


def test_kidney_slices_are_cut_along_the_first_axis_and_scaled(tmp_path, nnunet):
    scans = write_kits(tmp_path / "source" / "data", unlabelled=1)
    raw, findings = written(read_kits(tmp_path / "source", "kits19", SLICES))
    assert raw.name == "Dataset019_KiTS19TumourSlices"
    names = expected_names(scans)[:12]  # the one released without label is not cut
    assert image_names(raw, "Tr") == names
    assert image_names(raw, "Ts") == []
    for name in names:
        image, label = scans[name[:10]]
        height = int(name[-4:])
        found = sitk.ReadImage(str(raw / "imagesTr" / f"{name}_0000.nii.gz"))
        assert found.GetDimension() == 2
        assert found.GetSpacing() == pytest.approx(SCAN_SPACING[:2])
        np.testing.assert_allclose(sitk.GetArrayFromImage(found), windowed(image[height], -200, 300), atol=1e-6)
        mask = sitk.ReadImage(str(raw / "labelsTr" / f"{name}.nii.gz"))
        assert mask.GetSpacing() == pytest.approx(SCAN_SPACING[:2])
        assert np.array_equal(sitk.GetArrayFromImage(mask), label[height] >= 2)
    content = json.loads((raw / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "noNorm"}
    assert content["labels"] == {"background": 0, "tumour": 1}
    assert content["numTraining"] == len(findings.slices) == 12


def test_liver_slices_look_alike_whichever_way_the_scan_was_stored(tmp_path, nnunet):
    scans = write_lits(tmp_path / "source")
    raw, _ = written(read_lits(tmp_path / "source", SLICES), 17)
    for number, (image, label) in scans.items():
        for height in (2, 3):
            name = f"lits_{number:03d}_slice_{height:04d}"
            found = pixels(raw / "imagesTr" / f"{name}_0000.nii.gz")
            np.testing.assert_allclose(found, windowed(image[height], -40, 160), atol=1e-6)
            assert np.array_equal(pixels(raw / "labelsTr" / f"{name}.nii.gz"), label[height] >= 2)


@pytest.mark.parametrize("kidney", [True, False])
def test_the_record_leads_from_a_slice_back_to_its_plane_in_the_source_file(tmp_path, nnunet, kidney):
    if kidney:
        write_kits(tmp_path / "source")
        conversion = read_kits(tmp_path / "source", "kits19", SLICES)
    else:
        write_lits(tmp_path / "source")
        conversion = read_lits(tmp_path / "source", SLICES)
    raw, _ = written(conversion)
    record = json.loads((raw / "conversion.json").read_text())
    files = {case.name: case.label for case in conversion.training}
    assert set(record["slices"]) == set(image_names(raw, "Tr"))
    assert record["training"] == list(files)
    for name, origin in record["slices"].items():
        volume = pixels(files[origin["case"]]).transpose(2, 1, 0)  # as NIfTI counts its axes
        plane = np.take(volume, origin["index"], axis=origin["axis"]) >= 2
        mask = pixels(raw / "labelsTr" / f"{name}.nii.gz")
        assert origin["axis"] == (0 if kidney else 2)
        assert plane.sum() == mask.sum() > 0
        assert origin["tumour_mm2"] == pytest.approx(mask.sum() * PIXEL_MM2)
        as_stored = [turned for turned in turns(mask) if turned.shape == plane.shape and np.array_equal(turned, plane)]
        assert as_stored


def turns(mask):
    """A mask and its mirror images, transposed or not."""
    for flipped in (mask, mask[::-1], mask[:, ::-1], mask[::-1, ::-1]):
        yield from (flipped, flipped.T)


def test_no_volume_is_in_two_parts_and_the_folds_are_nnunets_of_the_volumes(tmp_path, nnunet):
    write_lits(tmp_path / "source", cases=13, without_tumour=(4,))
    settings = TumourSettings(incomplete=True, slices=True, test_cases=2)
    raw, findings = written(read_lits(tmp_path / "source", settings))
    assert findings.notes == ("lits_004: no slice with tumour to take, left out",)
    assert {name[:8] for name in image_names(raw, "Ts")} == {"lits_011", "lits_012"}
    assert len(list((raw / "labelsTs").iterdir())) == 4
    splits = json.loads((raw / "splits_final.json").read_text())
    theirs = generate_crossval_split([f"lits_{number:03d}" for number in range(11)])
    assert len(splits) == 5
    for ours, volumes in zip(splits, theirs, strict=True):
        for part in ("train", "val"):
            assert {name[:8] for name in ours[part]} == set(volumes[part]) - {"lits_004"}
        assert sorted(ours["train"] + ours["val"]) == image_names(raw, "Tr")
    preprocessed = nnunet / "nnUNet_preprocessed" / raw.name / "splits_final.json"
    assert json.loads(preprocessed.read_text()) == splits


@pytest.mark.parametrize(("least_mm2", "least_pixels"), [(0.0, 1), (0.5, 1), (0.6, 2), (3.3, 6)])
def test_slices_with_too_little_tumour_are_left_out(tmp_path, least_mm2, least_pixels):
    scans = write_kits(tmp_path)
    settings = TumourSettings(incomplete=True, slices=True, min_tumour_mm2=least_mm2)
    found = check_sources(read_kits(tmp_path, "kits19", settings), processes=1).slices
    assert [origin.name for origin in found] == expected_names(scans, least_pixels=least_pixels)
    assert len(found) == (12 if least_pixels == 1 else 6)


def test_no_slice_at_all_is_a_problem(tmp_path):
    write_kits(tmp_path)
    settings = TumourSettings(incomplete=True, slices=True, min_tumour_mm2=3.4)
    with pytest.raises(DataError, match=r"no slice of the 6 volumes for training has 3\.4 mm2 or more of tumour"):
        check_sources(read_kits(tmp_path, "kits19", settings), processes=1)


def test_cysts_count_as_in_the_papers_rule_and_are_called_masses(tmp_path, nnunet):
    scans = write_kits(tmp_path / "source", cysts=True)
    raw, _ = written(read_kits(tmp_path / "source", "kits23", SLICES), 23)
    assert image_names(raw, "Tr") == expected_names(scans)
    assert image_names(raw, "Tr")[2] == "case_00000_slice_0004"  # cyst alone
    assert pixels(raw / "labelsTr" / "case_00000_slice_0004.nii.gz").sum() == 1
    assert json.loads((raw / "dataset.json").read_text())["labels"] == {"background": 0, "mass": 1}


def test_a_window_of_ones_own_is_taken_and_recorded(tmp_path, nnunet):
    scans = write_kits(tmp_path / "source")
    settings = TumourSettings(incomplete=True, slices=True, window_hu=(0.0, 80.0))
    raw, _ = written(read_kits(tmp_path / "source", "kits19", settings))
    found = pixels(raw / "imagesTr" / "case_00001_slice_0002_0000.nii.gz")
    np.testing.assert_allclose(found, windowed(scans["case_00001"][0][2], 0, 80), atol=1e-6)
    rules = json.loads((raw / "conversion.json").read_text())["rules"]
    assert rules["intensities"] == "0 to 80 HU, clipped, scaled to 0 to 1"


def test_several_processes_write_the_same_as_one(tmp_path, nnunet):
    write_kits(tmp_path / "source")
    first, _ = written(read_kits(tmp_path / "source", "kits19", SLICES), 19, processes=1)
    second, _ = written(read_kits(tmp_path / "source", "kits19", SLICES), 20, processes=2)
    for path in sorted(first.rglob("*.nii.gz")):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    assert (first / "conversion.json").read_text() == (second / "conversion.json").read_text()


def test_the_foreseen_size_is_that_of_the_pixels(tmp_path):
    write_kits(tmp_path)
    findings = check_sources(read_kits(tmp_path, "kits19", SLICES), processes=1)
    assert findings.output_bytes == 12 * 14 * 12 * (4 + 1)


def test_too_few_volumes_for_five_folds_are_refused_with_the_other_problems(tmp_path):
    write_kits(tmp_path, cases=4)
    assert read_kits(tmp_path, "kits19", SLICES).problems == (
        "4 volumes to train and validate on, expected at least 5: one per fold",
    )


def test_a_fold_without_tumour_is_refused(tmp_path):
    write_lits(tmp_path, cases=5, without_tumour=(3,))
    with pytest.raises(DataError, match=r"fold \d has no slice with tumour to validate on; its volumes are lits_003"):
        check_sources(read_lits(tmp_path, SLICES), processes=1)


def test_a_label_that_is_shifted_by_rounding_takes_its_images_geometry(tmp_path, nnunet):
    scans = write_lits(tmp_path / "source")
    path = tmp_path / "source" / "Training Batch 1" / "segmentation-0.nii"
    write_volume(path, scans[0][1], spacing=SCAN_SPACING, origin=(7.01, -3, 40), direction=np.eye(3))
    raw, _ = written(read_lits(tmp_path / "source", SLICES))
    assert pixels(raw / "labelsTr" / "lits_000_slice_0002.nii.gz").sum() == 6


def test_folds_of_slices_keep_the_order_and_leave_out_volumes_without_any():
    label = np.zeros((3, 4, 4), np.uint8)
    label[1:, 1, 1] = 1
    origins = [
        origin
        for case in ("a", "b")
        for origin in find_slices(case, sitk.GetImageFromArray(label), TumourSlices((0.0, 1.0)))
    ]
    (fold,) = folds_of_slices([Fold(("c", "b"), ("a",))], origins)
    assert fold == Fold(("b_slice_0001", "b_slice_0002"), ("a_slice_0001", "a_slice_0002"))


ORIENTATIONS = [
    ("".join(letters), order)
    for order in ("RAS", "SAR", "ASR", "SRA", "RSA", "ARS")
    for letters in (order, order.translate(str.maketrans("RASLPI", "LPIRAS")))
]


@pytest.mark.parametrize("tilt", [np.eye(3), OBLIQUE, rotation(20, (0, 2))], ids=["straight", "oblique", "tilted"])
@pytest.mark.parametrize(("letters", "order"), ORIENTATIONS)
def test_slices_are_the_same_for_every_way_of_storing_a_scan(tmp_path, letters, order, tilt):
    image, label = made_up_scan(np.random.default_rng(3))
    source = []
    for array in (image, (label == 2).astype(np.uint8)):
        volume = sitk.GetImageFromArray(array)
        volume.SetSpacing(SCAN_SPACING)
        volume.SetDirection(tilt.ravel())
        source.append(sitk.DICOMOrient(volume, letters))
    slicing = TumourSlices((-100.0, 100.0))
    origins = find_slices("scan", source[1], slicing)
    assert [origin.height for origin in origins] == [2, 3]
    if np.array_equal(tilt, np.eye(3)):
        assert {origin.axis for origin in origins} == {order.index("S")}
        assert origins[0].index == (2 if "S" in letters else 3)
    write_slices(*source, origins, slicing, tmp_path, "Tr")
    for origin in origins:
        found = pixels(tmp_path / "imagesTr" / f"{origin.name}_0000.nii.gz")
        np.testing.assert_allclose(found, windowed(image[origin.height], -100, 100), atol=1e-6)
        assert np.array_equal(pixels(tmp_path / "labelsTr" / f"{origin.name}.nii.gz"), label[origin.height] == 2)


def test_scaling_reaches_both_ends_and_is_linear_between():
    values = np.array([-2000, -200, 50, 300, 3000], np.int16)
    assert scale(values, (-200.0, 300.0)).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
