"""Which names of structures are a left and a right one."""

import pytest

from nnunet_dsd.datasets.sided_names import sided_pairs


@pytest.mark.parametrize(
    "pair",
    [
        ("Left-Hippocampus", "Right-Hippocampus"),
        ("Left Accumbens Area", "Right Accumbens Area"),
        ("hippocampus_L", "hippocampus_R"),
        ("HippocampusL", "HippocampusR"),
        ("l_kidney", "r_kidney"),
        ("lKidney", "rKidney"),
        ("lh_cortex", "rh_cortex"),
        ("ctx-lh-bankssts", "ctx-rh-bankssts"),
        ("leftlung", "rightlung"),
        ("LungLeft", "LungRight"),
        ("kidney (left)", "kidney (right)"),
        ("rib_left_1", "rib_right_1"),
        ("auricula sinister", "auricula dexter"),
        ("LEFT_EYE", "RIGHT_EYE"),
        ("L", "R"),
    ],
)
def test_a_pair_of_sides_is_found_in_any_order(pair):
    assert sided_pairs(["background", "liver", *pair]) == [pair]
    assert sided_pairs([*reversed(pair), "CSF"]) == [pair]


@pytest.mark.parametrize(
    "names",
    [
        ("background", "liver", "tumour"),
        ("Left-Hippocampus", "background"),
        ("Left-Hippocampus", "Right-Amygdala"),
        ("rib_left_1", "rib_right_2"),
        ("LV", "RV", "Myo"),
        ("bright", "light"),
        ("anterior", "posterior"),
        (),
    ],
)
def test_names_without_their_other_side_are_none(names):
    assert sided_pairs(names) == []


def test_all_pairs_are_found():
    names = [f"{side} {part}" for side in ("Right", "Left") for part in ("Putamen", "Caudate", "Thalamus")]
    assert len(sided_pairs(names)) == 3
