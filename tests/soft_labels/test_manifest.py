"""A manifest says what soft labels are of, and refuses to say impossible things."""

import dataclasses
import json

import pytest

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.soft_labels.manifest import Manifest, TeacherRecord, read_manifest
from nnunet_dsd.soft_labels.names import MANIFEST


def teacher(fold, *seen):
    return TeacherRecord("T__P__3d_fullres", fold, "checkpoint_final.pth", f"hash{fold}", seen)


def manifest(**changes):
    sound = Manifest(
        dataset="Dataset901_Classes",
        preparation={"spacing": [1.0, 1.0, 1.0]},
        classes=3,
        regions=False,
        channels=1,
        mirroring=True,
        in_sample=False,
        teachers=(teacher("0", "b", "c"), teacher("1", "a", "c")),
        labelled={"a": (0,), "b": (1,)},
        unlabelled=("new",),
    )
    return dataclasses.replace(sound, **changes)


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    manifest().write(tmp_path)
    assert read_manifest(tmp_path) == manifest()


def test_images_without_labels_are_labelled_by_every_teacher():
    assert manifest().teachers_of("new") == (0, 1)
    assert manifest().teachers_of("a") == (0,)
    assert manifest().cases == ("a", "b", "new")


def test_a_case_that_its_teacher_was_trained_on_is_a_leak(tmp_path):
    manifest(labelled={"a": (0, 1)}).write(tmp_path)
    with pytest.raises(DataError, match="'a' is labelled by T__P__3d_fullres, fold 1, which was trained on it"):
        read_manifest(tmp_path)


def test_a_leak_that_was_asked_for_is_none(tmp_path):
    asked = manifest(labelled={"a": (0, 1)}, in_sample=True)
    asked.write(tmp_path)
    assert read_manifest(tmp_path) == asked


def test_without_a_manifest_it_is_said_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="no soft labels in"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("version", 2, "version is 2, expected 1; update this package"),
        ("classes", 0, "classes is 0"),
        ("teachers", [3], "teachers is"),
        ("labelled", {"a": [2]}, "teachers of 'a'.*below 2"),
        ("labelled", {"a": []}, "teachers of 'a'"),
        ("unlabelled", "new", "unlabelled is 'new'"),
        ("mirroring", 1, "mirroring is 1"),
        ("dataset", None, "'dataset' is missing"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, entry, value, said):
    manifest().write(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({**content, entry: value}))
    with pytest.raises(DataError, match=said):
        read_manifest(tmp_path)


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(DataError) as told:
        read_manifest(tmp_path)
    assert all(spec.name in str(told.value) for spec in dataclasses.fields(Manifest))
