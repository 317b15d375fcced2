"""What a request for soft labels says is checked before anything is loaded."""

from pathlib import Path

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.labelling.request import Request, parse_part


def request(**changes):
    given = {"dataset": "4", "configuration": "3d_fullres", "plans": "nnUNetPlans", "teachers": ("T",), "name": "soft"}
    return Request(**{**given, **changes})


@pytest.mark.parametrize("name", ["soft", "a.b-c_2", "Weiß"])
def test_names_of_folders_are_names(name):
    assert request(name=name).name == name


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "soft\n", "-x", "/a"])
def test_others_are_not(name):
    with pytest.raises(SettingsError, match="must be letters, digits"):
        request(name=name)


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    with pytest.raises(SettingsError) as told:
        request(
            name="a/b", teachers=("T", "S", "T"), folds=("0", "0"), part=(3, 2), unlabelled=Path(tmp_path / "missing")
        )
    said = str(told.value)
    for part in ("'a/b'", "teacher T is named twice", "fold 0 is named twice", "part 3 of 2: allowed are 1/2 to 2/2"):
        assert part in said
    assert f"{tmp_path / 'missing'} is no folder of images" in said


@pytest.mark.parametrize("part", [(0, 1), (2, 1), (1, 0)])
def test_parts_count_from_one(part):
    with pytest.raises(SettingsError, match="part"):
        request(part=part)


def test_a_part_is_two_numbers():
    assert parse_part("2/8") == (2, 8)
    for word in ("2", "2/", "a/b", "-1/2", "1/2/3", "1.0/2"):
        with pytest.raises(SettingsError, match="expected such as 2/8"):
            parse_part(word)
