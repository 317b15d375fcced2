"""Evaluations read by nnU-Net's readers: which one, and in which unit distances are."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from made_up_folders import two_boxes, write, write_dataset_json
from PIL import Image

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.cases import evaluate_folders
from nnunet_dsd.evaluation.export import read_evaluation_json, write_results
from nnunet_dsd.evaluation.figures import scores_figure
from nnunet_dsd.evaluation.images import read_labels, read_picture, resolve_reader
from nnunet_dsd.evaluation.measures import find_measure, require_known
from nnunet_dsd.evaluation.structures import LabelSet, label_set, read_label_set
from nnunet_dsd.evaluation.table import evaluation_table

LABELS = {"background": 0, "head": 1, "body": 2}
SHIFT = 2  # voxels along x, so that HD95 of the head is 2 of them


def folders(root: Path, ending: str, *, labels: dict = LABELS, **more: object) -> tuple[Path, Path]:
    """Return a data set's two folders, with a dataset.json for this ending and further keys."""
    for name in ("pred", "labelsTs"):
        (root / name).mkdir(parents=True)
    content = {"labels": labels, "file_ending": ending, "channel_names": {"0": "a"}, **more}
    (root / "dataset.json").write_text(json.dumps(content))
    return root / "pred", root / "labelsTs"


def spaced(path: Path, spacing: list[float] | None, shift: int, *, compression: str | None = None) -> None:
    """Write a TIFF stack with a resolution of 25 per inch, and its spacing beside it."""
    tifffile.imwrite(path, two_boxes(shift), resolution=(25, 25), resolutionunit=2, compression=compression)
    if spacing:
        path.with_suffix(".json").write_text(json.dumps({"spacing": spacing}))


def evaluated(pair: tuple[Path, Path]):
    return evaluate_folders(*pair, read_label_set(pair[1].parent / "dataset.json"))


def head(evaluation) -> float:
    return evaluation.of("head")[0].hd95_mm


@pytest.mark.parametrize("ending", [".tif", ".tiff"])
def test_distances_of_a_tiff_stack_are_in_mm_by_its_spacing_file(tmp_path: Path, ending: str) -> None:
    pair = folders(tmp_path, ending)
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        spaced(folder / f"c{ending}", [3.0, 0.9, 0.7], shift, compression="zlib")
    evaluation = evaluated(pair)
    assert evaluation.length_unit == "mm"
    assert head(evaluation) == pytest.approx(SHIFT * 0.7)
    assert evaluation.of("head")[0].reference_ml == pytest.approx(4 * 6 * 6 * 3.0 * 0.9 * 0.7 / 1000)


def test_a_prediction_without_a_spacing_file_takes_its_references(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".tif")
    spaced(pair[0] / "c.tif", None, SHIFT)
    spaced(pair[1] / "c.tif", [3.0, 0.9, 0.7], 0)
    assert head(evaluated(pair)) == pytest.approx(SHIFT * 0.7)


def test_spacing_files_that_differ_are_refused(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".tif")
    spaced(pair[0] / "c.tif", [3.0, 0.9, 0.9], SHIFT)
    spaced(pair[1] / "c.tif", [3.0, 0.9, 0.7], 0)
    with pytest.raises(DataError, match=r"spacing_mm \(0\.9, 0\.9, 3\.0\) in the prediction"):
        evaluated(pair)


def test_references_with_and_without_spacing_make_no_mean(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".tif")
    for case, spacing in (("a", [3.0, 0.9, 0.7]), ("b", None)):
        for folder in pair:
            spaced(folder / f"{case}.tif", spacing, 0)
    with pytest.raises(DataError, match=r"have a spacing, such as a\.tif, and 1 have none, such as b\.tif"):
        evaluated(pair)


def write_voxels(root: Path, kind: str) -> tuple[Path, Path]:
    """Write a data set of one case whose files do not say how large a voxel is."""
    ending = {"stack": ".tif", "flat": ".tif", "lzw": ".tif"}.get(kind, f".{kind}")
    pair = folders(root, ending)
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        path = folder / f"c{ending}"
        if kind == "stack":
            spaced(path, [1, 1, 1] if folder == pair[0] else None, shift)  # nnU-Net writes one beside predictions
        else:
            options = {"compression": "tiff_lzw"} if kind == "lzw" else {}
            Image.fromarray(two_boxes(shift)[3]).save(path, dpi=(72, 72), **options)
    return pair


@pytest.mark.parametrize("kind", ["stack", "flat", "lzw", "png", "bmp"])
def test_without_a_spacing_distances_are_called_voxels_everywhere(tmp_path: Path, kind: str) -> None:
    evaluation = evaluated(write_voxels(tmp_path, kind))
    assert evaluation.length_unit == "voxels"
    assert head(evaluation) == SHIFT
    table, record = write_results(tmp_path / "out", evaluation)
    row = next(csv.DictReader(table.open()))
    assert row["hd95_voxels"] == str(float(SHIFT))
    assert not [name for name in row if "mm" in name or "ml" in name]
    text = record.read_text()
    assert "_mm" not in text
    assert '"mm"' not in text
    assert "_ml" not in text
    content = json.loads(text)
    assert (content["length_unit"], content["surface_tolerance_voxels"]) == ("voxels", 1.0)
    assert content["measures"]["asd_voxels"]["unit"] == "voxels"
    headings = [str(column.header) for column in evaluation_table(evaluation).columns]
    assert headings[2:5] == ["HD95 (voxels)", "ASD (voxels)", "Surface Dice at 1 voxels"]
    assert scores_figure(evaluation).axes[1].get_title() == "HD95 in voxels (lower is better)"


def test_an_evaluation_in_voxels_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    evaluation = evaluated(write_voxels(tmp_path, "png"))
    again = read_evaluation_json(write_results(tmp_path / "out", evaluation)[1])
    assert again.length_unit == "voxels"
    assert repr(again) == repr(evaluation)


def test_the_command_says_that_lengths_are_in_voxels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = write_voxels(tmp_path, "png")
    assert main(["evaluate", str(pair[0]), str(pair[1]), "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "lengths are in voxels: the files do not say how large a voxel is" in printed
    assert "(mm)" not in printed


def run_list(paths: list[Path]):
    from nnunet_dsd.comparison.runs import run_list_from_words

    return run_list_from_words([f"{'AB'[place]}={path}" for place, path in enumerate(paths)])


def test_a_comparison_keeps_the_unit_and_mixes_none(tmp_path: Path) -> None:
    first = write_results(tmp_path / "a", evaluated(write_voxels(tmp_path / "1", "stack")))[1]
    second = tmp_path / "b.json"
    second.write_text(first.read_text())
    scores = read_scores(run_list([first, second]))
    assert scores.length_unit == "voxels"
    assert scores.per_case("A", "hd95_voxels")[0, 0] == SHIFT
    pair = folders(tmp_path / "2", ".tif")
    for folder in pair:
        spaced(folder / "c.tif", [3.0, 0.9, 0.7], 0)
    third = write_results(tmp_path / "c", evaluated(pair))[1]
    with pytest.raises(DataError, match="B: lengths in mm; A has voxels"):
        read_scores(run_list([first, third]))


def test_compare_prints_voxels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for method, shifts in (("A", (1, 3)), ("B", (2, 1))):
        pair = folders(tmp_path / method, ".png")
        for case, shift in zip("ab", shifts, strict=True):
            for folder, moved in zip(pair, (shift, 0), strict=True):
                Image.fromarray(two_boxes(moved)[3]).save(folder / f"{case}.png")
        files.append(f"{method}={write_results(tmp_path / f'{method}_out', evaluated(pair))[1]}")
    assert main(["compare", *files, "-o", str(tmp_path / "report")]) == 0
    assert "HD95 (voxels)" in capsys.readouterr().out
    assert "(mm)" not in (tmp_path / "report" / "report.html").read_text()
    assert "hd95_voxels" in (tmp_path / "report" / "scores.csv").read_text()
    assert main(["compare", *files, "-o", str(tmp_path / "mm"), "--measures", "hd95_mm"]) != 0
    assert "The evaluations have lengths in voxels" in capsys.readouterr().err


def test_measures_of_either_unit_are_known_before_the_unit_is() -> None:
    require_known(["hd95_voxels", "hd95_mm", "dice"])
    with pytest.raises(DataError, match="no measure 'iou'"):
        require_known(["iou"])
    assert find_measure("asd_voxels", "voxels").field == "asd_mm"
    with pytest.raises(DataError, match="lengths in mm"):
        find_measure("asd_voxels")


@pytest.mark.parametrize(("mode", "ending"), [("1", ".png"), ("1", ".bmp"), ("1", ".tif"), ("L", ".bmp")])
def test_pictures_of_one_bit_hold_the_labels_0_and_1(tmp_path: Path, mode: str, ending: str) -> None:
    labels = (two_boxes()[3] == 1).astype(np.uint8)
    image = Image.fromarray(labels * 255).convert("1") if mode == "1" else Image.fromarray(labels)
    options = {"compression": "group4"} if ending == ".tif" else {}
    image.save(tmp_path / f"a{ending}", **options)
    assert np.array_equal(read_labels(tmp_path / f"a{ending}").array, labels)


@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_a_palette_is_refused_as_nnunet_reads_its_colours(tmp_path: Path, ending: str) -> None:
    image = Image.fromarray(two_boxes()[3], mode="P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 759)
    image.save(tmp_path / f"a{ending}")
    with pytest.raises(DataError, match=r"has 3 channels .* palette or in colours is to be saved in grey"):
        read_labels(tmp_path / f"a{ending}")


def sheared(path: Path, values: np.ndarray) -> None:
    affine = np.array([[0.8, 0.1, 0, 0], [0, 0.9, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(values.transpose(), affine), path)


@pytest.mark.parametrize("how", ["dataset.json", "plans", "model folder", "tried"])
def test_sheared_files_are_read_by_nibabel_with_its_spacing(tmp_path: Path, how: str) -> None:
    more = {"overwrite_image_reader_writer": "NibabelIO"} if how == "dataset.json" else {}
    pair = folders(tmp_path, ".nii.gz", **more)
    if how == "model folder":
        pair = tmp_path / "model" / "fold_0" / "validation", pair[1]
        pair[0].mkdir(parents=True)
    plans = {"plans": pair[0] / "plans.json", "model folder": tmp_path / "model" / "plans.json"}.get(how)
    if plans:
        plans.write_text(json.dumps({"image_reader_writer": "NibabelIO"}))
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        sheared(folder / "c.nii.gz", two_boxes(shift))
    assert head(evaluated(pair)) == pytest.approx(SHIFT * 0.8)  # pixdim, as nnU-Net


def test_simpleitk_in_the_plans_refuses_sheared_files_and_says_what_they_are(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".nii.gz")
    (pair[0] / "plans.json").write_text(json.dumps({"image_reader_writer": "SimpleITKIO"}))
    for folder in pair:
        sheared(folder / "c.nii.gz", two_boxes())
    with pytest.raises(DataError, match="axes that are not at right angles"):
        evaluated(pair)


@pytest.mark.parametrize("name", ["SimpleITKIOWithReorient", "NibabelIOWithReorient"])
def test_turned_axes_change_no_distance(tmp_path: Path, name: str) -> None:
    pair = folders(tmp_path, ".nii.gz", overwrite_image_reader_writer=name)
    turned = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0)
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        write(folder / "c.nii.gz", two_boxes(shift), spacing=(0.7, 0.9, 3.0), direction=turned)
    assert head(evaluated(pair)) == pytest.approx(SHIFT * 0.7)


def test_a_reader_of_another_name_in_the_plans_is_refused_with_the_way_out(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".nii.gz")
    (pair[0] / "plans.json").write_text(json.dumps({"image_reader_writer": "MyIO"}))
    for folder in pair:
        write(folder / "c.nii.gz", two_boxes())
    with pytest.raises(DataError, match=r"plans\.json: The image reader 'MyIO' is not one that is known") as caught:
        evaluated(pair)
    assert 'move the plans to another folder and name that reader in the dataset.json, as "overwrite_' in str(
        caught.value
    )


@pytest.mark.parametrize("planned", [None, "NibabelIO"])
def test_a_reader_of_another_name_in_the_dataset_json_is_passed_over_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], planned: str | None
) -> None:
    pair = folders(tmp_path, ".nii.gz", overwrite_image_reader_writer="MyIO")
    if planned:
        (pair[0] / "plans.json").write_text(json.dumps({"image_reader_writer": planned}))
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        write(folder / "c.nii.gz", two_boxes(shift), spacing=(0.7, 0.9, 3.0))
    assert main(["evaluate", str(pair[0]), str(pair[1])]) == 0
    assert "note: the dataset.json names the image reader 'MyIO'" in (printed := capsys.readouterr().out)
    assert f"the files were read by {planned or 'SimpleITKIO'}" in printed
    evaluation = read_evaluation_json(pair[0] / "evaluation" / "evaluation.json")
    assert evaluation.reader == (planned or "SimpleITKIO")
    assert head(evaluation) == pytest.approx(SHIFT * 0.7)


def test_without_an_unknown_reader_there_is_no_note_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folders(tmp_path, ".nii.gz", overwrite_image_reader_writer="SimpleITKIO")
    for folder in pair:
        write(folder / "c.nii.gz", two_boxes())
    assert main(["evaluate", str(pair[0]), str(pair[1])]) == 0
    assert "image reader" not in capsys.readouterr().out


def test_an_evaluation_of_an_earlier_version_has_no_reader_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    path = write_results(tmp_path / "out", evaluated(write_voxels(tmp_path, "png")))[1]
    content = json.loads(path.read_text())
    assert content.pop("reader") == "NaturalImage2DIO"
    path.write_text(json.dumps(content))
    assert read_evaluation_json(path).reader is None
    path.write_text(json.dumps({**content, "reader": 3}))
    with pytest.raises(DataError, match="reader 3"):
        read_evaluation_json(path)


@pytest.mark.parametrize(
    ("ending", "module", "name", "reader"),
    [
        (".png", "skimage.io", "imread", None),
        (".bmp", "skimage.io", "imread", None),
        (".nii.gz", "SimpleITK", "ReadImage", "SimpleITKIOWithReorient"),
    ],
)
def test_every_file_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, module: str, name: str, reader: str | None
) -> None:
    pair = folders(tmp_path, ending, overwrite_image_reader_writer=reader)
    for folder in pair:
        for case in "ab":
            if ending == ".nii.gz":
                write(folder / f"{case}{ending}", two_boxes())
            else:
                Image.fromarray(two_boxes()[3]).save(folder / f"{case}{ending}")
    decoded: list[str] = []
    owner = importlib.import_module(module)
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda path: (decoded.append(path), original(path))[1])
    labels = read_label_set(tmp_path / "dataset.json")
    assert evaluate_folders(*pair, labels, processes=None).of("head")[0].dice == 1.0
    assert sorted(decoded) == sorted(str(folder / f"{case}{ending}") for folder in pair for case in "ab")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_labels_stored_as_floating_point_take_two_bytes_a_voxel(tmp_path: Path, kind: type) -> None:
    values = two_boxes().astype(kind)
    values[0, 0, 0] = 65535
    write(tmp_path / "a.nii.gz", values)
    labels = read_labels(tmp_path / "a.nii.gz").array
    assert labels.dtype == np.uint16
    assert np.array_equal(labels, values)
    values[0, 0, 1] = 1.25
    write(tmp_path / "a.nii.gz", values)
    with pytest.raises(DataError, match="no whole numbers"):
        read_labels(tmp_path / "a.nii.gz")


def test_the_plans_beside_predictions_come_before_the_data_set(tmp_path: Path) -> None:
    labels = LabelSet((), file_ending=".nii.gz")
    assert resolve_reader(tmp_path, labels, tmp_path / "none.nii.gz").name == "SimpleITKIO"
    (tmp_path / "plans.json").write_text(json.dumps({"image_reader_writer": "NibabelIOWithReorient"}))
    assert resolve_reader(tmp_path, labels, tmp_path / "none.nii.gz").name == "NibabelIOWithReorient"


def test_a_picture_in_colours_is_drawn_in_colours_and_a_volume_in_its_first_channel(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert np.allclose(read_picture(tmp_path / "a.png").array, colours[:, :, :3] / 255)
    series = np.random.default_rng(0).normal(size=(6, 5, 4, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(series, np.eye(4)), tmp_path / "a.nii.gz")
    assert np.array_equal(read_picture(tmp_path / "a.nii.gz").array, series[:, :, :, 0].transpose())


@pytest.mark.parametrize("entry", [[2, 3], [2], "2", "2,3", 2.0, True, 0, -1])
def test_an_ignore_label_that_nnunet_does_not_take_is_refused(tmp_path: Path, entry: object) -> None:
    path = write_dataset_json(tmp_path, {"background": 0, "a": 1, "ignore": entry})
    with pytest.raises(DataError, match=r"dataset\.json: `ignore` is .*nnU-Net takes one whole number above 0"):
        read_label_set(path)


@pytest.mark.parametrize(("entry", "expected"), [(None, None), (2, 2), (9, 9)])
def test_one_ignore_label_is_taken_whatever_its_value(entry: int | None, expected: int | None) -> None:
    assert label_set({"background": 0, "a": 1, "ignore": entry}).ignore_label == expected


def test_a_structure_cannot_hold_the_ignore_label() -> None:
    with pytest.raises(DataError, match="The value 2 is left out as `ignore`, and is a value of whole as well"):
        label_set({"background": 0, "whole": [1, 2], "ignore": 2})


@pytest.mark.parametrize("entry", [1.5, 1.0, True, None, "x", [1, "y"], [1.5]])
def test_label_values_that_are_no_whole_numbers_are_refused(entry: object) -> None:
    with pytest.raises(DataError, match="a whole number or a list of these is needed"):
        label_set({"background": 0, "a": entry})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"modality": {"0": "MR"}, "labels": {"0": "background", "1": "a"}}, "is of nnU-Net v1"),
        ({"file_ending": ".nii.gz", "labels": {"0": "background", "1": "a"}}, "nnUNetv2_convert_old_nnUNet_dataset"),
        ({"modality": {"0": "MR"}, "labels": {"background": 0, "a": 1}}, "nnUNetv2_convert_MSD_dataset"),
        ({"labels": {"background": 0, "a": 1}}, "has no 'file_ending'"),
        ({}, "has no 'labels' and no 'file_ending'"),
        ([], "has no 'labels' and no 'file_ending'"),
        ({"file_ending": ".nii.gz", "labels": ["a"]}, "are no names with whole numbers"),
    ],
)
def test_another_json_file_is_called_what_it_is(tmp_path: Path, content: object, words: str) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=words) as caught:
        read_label_set(tmp_path / "dataset.json")
    assert "KeyError" not in str(caught.value)


def test_voxels_of_the_ignore_label_are_left_out_whatever_names_it(tmp_path: Path) -> None:
    reference, prediction = two_boxes(), two_boxes()
    reference[:, :, 8:] = 2
    prediction[:, :, 10:] = 1  # wrong, but ignored
    for words in ([], ["--labels", "head=1"], ["--labels", "head=1", "ignore=2"]):
        root = tmp_path / str(len(words))
        pair = folders(root, ".nii.gz", labels={"background": 0, "head": 1, "ignore": 2})
        write(pair[0] / "c.nii.gz", prediction)
        write(pair[1] / "c.nii.gz", reference)
        assert main(["evaluate", str(pair[0]), str(pair[1]), *words, "--processes", "1"]) == 0
        assert json.loads((pair[0] / "evaluation" / "evaluation.json").read_text())["scores"][0]["dice"] == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["head=1", "ignore=2,3"], "`ignore` is [2, 3]"),
        (["head=1", "ignore=7"], "--labels names the values [7]"),
        (["other=2"], "leaves it out as `ignore`"),
        (["head=1", "ignore=1"], "is a value of head as well"),
    ],
)
def test_an_ignore_label_on_the_command_line_that_leaves_nothing_out_is_refused(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = folders(tmp_path, ".nii.gz", labels={"background": 0, "head": 1, "ignore": 2})
    for folder in pair:
        write(folder / "c.nii.gz", two_boxes())
    assert main(["evaluate", str(pair[0]), str(pair[1]), "--labels", *words, "--processes", "1"]) != 0
    assert said in " ".join(capsys.readouterr().err.split())


def test_two_dataset_jsons_that_differ_in_the_ignore_label_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = folders(tmp_path, ".nii.gz", labels={"background": 0, "head": 1, "ignore": 2})
    write_dataset_json(pair[0], {"background": 0, "head": 1})
    for folder in pair:
        write(folder / "c.nii.gz", two_boxes())
    assert main(["evaluate", str(pair[0]), str(pair[1]), "--processes", "1"]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no `ignore` label" in said
    assert "`ignore` 2" in said
    assert "--dataset-json" in said


def test_a_negative_spacing_is_a_length_as_in_nnunet(tmp_path: Path) -> None:
    pair = folders(tmp_path, ".nii")
    for folder, shift in zip(pair, (SHIFT, 0), strict=True):
        path = folder / "c.nii"
        nib.save(nib.Nifti1Image(two_boxes(shift).transpose(), np.diag([0.7, 0.9, 3.0, 1.0])), path)
        content = bytearray(path.read_bytes())
        content[80:92] = np.array([-0.7, -0.9, -3.0], np.float32).tobytes()
        content[252:256] = bytes(4)
        path.write_bytes(content)
    assert head(evaluated(pair)) == pytest.approx(SHIFT * 0.7)
