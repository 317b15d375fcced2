"""What is said about two folders that do not belong together: all of it, briefly, with advice that fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_folders import two_boxes, write, write_data_set

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.evaluation.pairing import REPAIR, pair_folders, require_evaluable, require_order

PREDICT = "Predict the missing cases, or leave them out with --allow-missing."
RESAMPLE = "Predict from the images the references were drawn on, or resample the predictions onto them."


def problems_of(folders: tuple[Path, Path]) -> str:
    """Return the message about two folders, without the paths of the folders."""
    with pytest.raises(DataError) as caught:
        require_evaluable(pair_folders(*folders, ".nii.gz"), *folders, ".nii.gz", allow_missing=False)
    return str(caught.value).replace(f"{folders[0]}", "PREDICTIONS")


def test_cases_are_paired_by_name_and_the_others_are_told_apart(tmp_path: Path) -> None:
    predictions, references = write_data_set(tmp_path, {"b": 0, "a": 0, "c": 0})
    (predictions / "c.nii.gz").rename(predictions / "d.nii.gz")
    pairs = pair_folders(predictions, references, ".nii.gz")
    assert (pairs.cases, pairs.missing, pairs.unreferenced) == (("a", "b"), ("c",), ("d",))


def test_missing_predictions_alone_bring_no_advice_on_geometry(tmp_path: Path) -> None:
    folders = write_data_set(tmp_path, {"a": 0, "b": 0})
    (folders[0] / "b.nii.gz").unlink()
    assert problems_of(folders).splitlines()[1:] == ["  - b.nii.gz has no prediction in PREDICTIONS", PREDICT]


def test_another_geometry_alone_brings_no_advice_on_missing_cases(tmp_path: Path) -> None:
    folders = write_data_set(tmp_path, {"a": 0, "b": 0})
    write(folders[0] / "b.nii.gz", two_boxes(), origin=(0.0, 0.0, 5.0))
    assert problems_of(folders).splitlines()[-1] == RESAMPLE
    (folders[0] / "a.nii.gz").unlink()
    assert problems_of(folders).splitlines()[-1] == f"{PREDICT} {RESAMPLE}"


def test_after_five_geometries_the_cases_are_named_without_details(tmp_path: Path) -> None:
    folders = write_data_set(tmp_path, dict.fromkeys("abcdefg", 0))
    for case in "abcdefg":
        write(folders[0] / f"{case}.nii.gz", two_boxes(), origin=(0.0, 0.0, 5.0))
    message = problems_of(folders)
    assert message.startswith("7 problems")
    assert all(f"PREDICTIONS/{case}.nii.gz does not lie on" in message for case in "abcdefg")
    assert message.count("(0.0, 0.0, 5.0) in the prediction") == 5
    assert message.index("f.nii.gz") > message.rindex("in the prediction")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "no file"),
        (("a.mha", "b.mha", "c.part.nii.bz"), ".bz, .mha"),
        (("1.2.nrrd.gz", "notes"), ".nrrd.gz, none"),
        (tuple(f"a.{number}" for number in range(9)), ".0, .1, .2, .3, .4, ..."),
    ],
)
def test_the_endings_that_are_there_are_named(tmp_path: Path, names: tuple[str, ...], told: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="holds no prediction ending in ") as caught:
        pair_folders(tmp_path, tmp_path, ".nii.gz")
    assert f" .nii.gz, but {told}; give the folder with the label images" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b damaged"])
def test_files_whose_header_cannot_be_read_bring_the_advice_of_damaged_files(tmp_path: Path, content: bytes) -> None:
    folders = write_data_set(tmp_path, {"a": 0, "b": 0})
    for folder in folders:
        (folder / "b.nii.gz").write_bytes(content)
    lines = problems_of(folders).splitlines()
    assert lines[0].startswith("2 problems")
    assert lines[-1] == REPAIR
    write(folders[0] / "a.nii.gz", two_boxes(), origin=(0.0, 0.0, 5.0))
    assert problems_of(folders).splitlines()[-1] == f"{REPAIR} {RESAMPLE}"


def test_folders_without_a_common_name_are_told_once_with_the_first_names_of_both(tmp_path: Path) -> None:
    folders = write_data_set(tmp_path, dict.fromkeys("abcdefg", 0))
    for path in sorted(folders[0].iterdir()):
        path.rename(path.with_name(f"x_{path.name}"))
    message = problems_of(folders)
    assert "  - PREDICTIONS holds x_a.nii.gz, x_b.nii.gz, x_c.nii.gz, x_d.nii.gz, x_e.nii.gz and 2 more\n" in message
    assert f"  - {folders[1]} holds a.nii.gz, b.nii.gz, c.nii.gz, d.nii.gz, e.nii.gz and 2 more\n" in message
    assert "named like its reference, for example a.nii.gz" in message
    assert "--allow-missing" not in message
    assert len(message.splitlines()) == 4


@pytest.mark.parametrize("left", ["predict_from_raw_data_args.json", "summary.json"])  # by prediction, by validation
def test_folders_in_the_wrong_order_are_refused_by_the_file_that_nnunet_leaves(tmp_path: Path, left: str) -> None:
    predictions, references = write_data_set(tmp_path, {"a": 0})
    require_order(references, predictions)  # nothing tells them apart
    (predictions / left).write_text("{}")
    require_order(predictions, references)
    with pytest.raises(DataError, match="The order is: nnunet-dsd evaluate PREDICTIONS REFERENCES"):
        require_order(references, predictions)
    (references / "predict_from_raw_data_args.json").write_text("{}")
    require_order(references, predictions)
