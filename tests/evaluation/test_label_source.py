"""Where labels come from: a dataset.json that is found, one that is given, or the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_folders import write_dataset_json

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.evaluation.label_source import parse_labels, resolve_labels
from nnunet_dsd.evaluation.structures import Structure, almost_reserved, label_set, other_labels, read_label_set


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder for predictions and one for references, apart from each other."""
    folders = tmp_path / "results" / "predictions", tmp_path / "raw" / "labelsTs"
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


@pytest.mark.parametrize("place", ["raw", "raw/labelsTs", "results/predictions"])
def test_a_dataset_json_is_found_beside_and_in_the_references_and_in_the_predictions(
    folders: tuple[Path, Path], tmp_path: Path, place: str
) -> None:
    path = write_dataset_json(tmp_path / place, ending=".mha")
    labels, source = resolve_labels(*folders)
    assert source == path
    assert (labels.file_ending, labels.known_values) == (".mha", {0, 1, 2})


def test_a_relative_folder_of_references_has_a_parent_too(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dataset_json(tmp_path / "raw")
    monkeypatch.chdir(folders[1])
    assert resolve_labels(folders[0], Path("."))[1] == path


def test_without_any_every_place_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        resolve_labels(*folders)
    for place in ("raw/dataset.json", "raw/labelsTs/dataset.json", "results/predictions/dataset.json"):
        assert f"  - {tmp_path / place}\n" in str(caught.value)
    assert "--dataset-json" in str(caught.value)


def test_two_that_name_different_labels_are_refused_unless_one_is_given(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    first = write_dataset_json(tmp_path / "raw")
    write_dataset_json(folders[0], {"background": 0, "body": 2, "head": 1})
    assert resolve_labels(*folders)[1] == first
    second = write_dataset_json(folders[0], {"background": 0, "head": 2, "body": 1})
    with pytest.raises(
        DataError, match="name different labels, so these may be predictions of another data set"
    ) as found:
        resolve_labels(*folders)
    assert f"  - {first} has head 1, body 2\n  - {second} has head 2, body 1\n" in str(found.value)
    assert "The names are the same and the values are not" in str(found.value)
    assert "say which file holds with --dataset-json." in str(found.value)
    assert resolve_labels(*folders, dataset_json=second)[0].structures[0] == Structure("head", (2,))


def test_words_choose_structures_and_leave_the_rest_to_the_dataset_json(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    write_dataset_json(tmp_path / "raw", {"background": 0, "head": 1, "body": 2, "ignore": 3}, ending=".mha")
    labels, _ = resolve_labels(*folders, words=["whole=1,2"])
    assert labels.structures == (Structure("whole", (1, 2)),)
    assert (labels.ignore_label, labels.file_ending, labels.known_values) == (3, ".mha", {0, 1, 2, 3})
    with pytest.raises(DataError, match=r"--labels names the values \[5\], but .* has \[0, 1, 2, 3\] only"):
        resolve_labels(*folders, words=["head=1", "tail=5"])


def test_words_are_enough_without_a_dataset_json(folders: tuple[Path, Path]) -> None:
    labels, source = resolve_labels(*folders, words=["head=1", "whole=1,2", "background=0", "ignore=9"])
    assert source is None
    assert labels.structures == (Structure("head", (1,)), Structure("whole", (1, 2)))
    assert (labels.ignore_label, labels.known_values) == (9, None)


def test_wrong_words_are_all_told() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_labels(["head", "=1", "a=", "b=1,", "c=x", "d=-1", "e=1.5", "f=1", "f=2", "g=²"])
    assert len(caught.value.problems) == 9
    assert "'f=2': f is named twice" in str(caught.value)
    assert "'head': NAME=VALUE" in str(caught.value)


@pytest.mark.parametrize("labels", [{"head": 0}, {"head": [0, 1]}, {"head": []}, {"head": "one"}, {"head": None}])
def test_structures_of_impossible_values_are_refused(labels: dict) -> None:
    with pytest.raises(DataError):
        label_set(labels)


def test_words_for_the_background_alone_hold_no_structure(folders: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="no structure besides background and ignore"):
        resolve_labels(*folders, words=["background=0"])


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"head": 1, "body": 2}, {"head": 1, "body": 2, "tail": 3}, "One has all labels of the other and more"),
        ({"head": 1, "body": 2}, {"head": 2, "body": 1}, "The names are the same and the values are not"),
        ({"head": 1, "body": 2}, {"head": 1, "arm": 2}, "They share some names only"),
        ({"head": 1}, {"liver": 1, "tumour": 2}, "They have no name in common: most likely these are two different"),
    ],
)
def test_what_is_likely_of_two_sets_of_labels_is_said(first, second, reason) -> None:
    sides = [label_set({"background": 0, **labels}).structures for labels in (first, second)]
    one, other, said = other_labels(*sides)
    assert (one, other) == tuple(
        ", ".join(f"{name} {value}" for name, value in labels.items()) for labels in (first, second)
    )
    assert said.startswith(reason)


def test_of_many_labels_only_those_that_differ_are_listed() -> None:
    many = {f"organ {number}": number for number in range(1, 41)}
    sides = [label_set({"background": 0, **labels}).structures for labels in (many, {**many, "liver": 41})]
    one, other, _ = other_labels(*sides)
    assert (one, other) == ("nothing besides", "liver 41")


def test_the_folder_of_a_dataset_json_stands_for_it(folders: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_dataset_json(tmp_path / "elsewhere")
    assert resolve_labels(*folders, dataset_json=path.parent)[1] == path
    with pytest.raises(DataError, match=r"results/dataset\.json does not exist; it is nnU-Net's dataset\.json"):
        resolve_labels(*folders, dataset_json=tmp_path / "results")


def test_a_dataset_json_that_may_not_be_read_is_named_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").mkdir()
    with pytest.raises(DataError, match=r"dataset\.json, nnU-Net's dataset\.json, cannot be read: Is a directory\."):
        read_label_set(tmp_path / "dataset.json")


@pytest.mark.parametrize("name", ["Background", "BACKGROUND", "background "])
def test_a_background_in_other_letters_is_refused_with_nnunets_word(name: str) -> None:
    with pytest.raises(DataError, match="nnU-Net's word for the value 0 is `background`"):
        label_set({name: 0, "head": 1})


@pytest.mark.parametrize(("name", "noted"), [("Ignore", 1), ("ignore_label", 1), ("head", 0), ("ignore", 0)])
def test_a_structure_named_nearly_as_nnunets_ignore_is_noted(name: str, noted: int) -> None:
    assert len(almost_reserved([name])) == noted
