"""What is said about two folders that do not belong together: all of it, briefly, with advice that fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_folders import two_boxes, write, write_data_set

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.pairing import pair_folders, require_evaluable

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
    assert message.startswith("7 problem(s)")
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
