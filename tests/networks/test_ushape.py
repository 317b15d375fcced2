"""What a U-shape is, and which patches fit it."""

import pytest

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape, check_patch_size, cumulative_scales


def level(name, *scale):
    return Level(name, 4, scale)


ENCODERS = (level("e1", 1, 1), level("e2", 2, 2), level("e3", 4, 2))
DECODERS = (level("d1", 2, 2), level("d2", 4, 2), level("d3", 8, 4))


def test_a_u_knows_its_dimensions_and_its_coarsest_scale():
    shape = UShape(ENCODERS, DECODERS)
    assert (shape.dimensions, shape.total_scale) == (2, (8, 4))


@pytest.mark.parametrize(
    ("encoders", "decoders", "words"),
    [
        (ENCODERS[:1], DECODERS, "at least 2 encoder levels are needed, got 1; the network needs 3 stages or more"),
        (ENCODERS, (), "at least 2 decoder levels are needed, got 0"),
        (ENCODERS, DECODERS[::-1], "decoder 'd2' (scale (4, 2)) must be coarser than 'd3' (scale (8, 4))"),
        (ENCODERS[::-1], DECODERS, "list the levels from fine to coarse"),
        ((level("a", 1, 1), level("b", 1, 1)), DECODERS, "encoder 'b' (scale (1, 1)) must be coarser than 'a'"),
        ((level("a", 2, 2), level("b", 3, 4)), DECODERS, "by whole factors"),
        ((level("a", 1, 1), level("b", 2, 2, 2)), DECODERS, "must be coarser"),
        (ENCODERS, (level("e1", 2, 2), DECODERS[1]), "the module 'e1' is listed twice"),
    ],
)
def test_levels_that_form_no_u_are_refused_with_the_reason(encoders, decoders, words):
    with pytest.raises(NetworkStructureError, match="do not form a U") as refusal:
        UShape(tuple(encoders), tuple(decoders))
    assert words in str(refusal.value)


def test_all_reasons_are_given_at_once():
    with pytest.raises(NetworkStructureError) as refusal:
        UShape(ENCODERS[:1], (level("e1", 4, 4), level("d", 2, 2)))
    message = str(refusal.value)
    assert "at least 2 encoder levels" in message
    assert "decoder 'd' (scale (2, 2)) must be coarser" in message
    assert "'e1' is listed twice" in message


@pytest.mark.parametrize(
    ("strides", "dimensions", "expected"),
    [
        ([1, 2, 2], 2, [(1, 1), (2, 2), (4, 4)]),
        ([[1, 1, 1], [1, 2, 2], [2, 2, 2]], 3, [(1, 1, 1), (1, 2, 2), (2, 4, 4)]),
        ([(1,), (2,), (3,)], 3, [(1, 1, 1), (2, 2, 2), (6, 6, 6)]),
        ([1, [2, 1]], 2, [(1, 1), (2, 1)]),
    ],
)
def test_scales_are_the_product_of_the_strides_so_far_on_each_axis(strides, dimensions, expected):
    assert cumulative_scales(strides, len(strides), dimensions=dimensions) == expected


def test_strides_beyond_the_stages_are_left_out():
    assert cumulative_scales([1, 2, 2, 2], 2, dimensions=2) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("scale", "patch"), [((4, 4), (8, 4)), ((4, 8, 8), (4, 8, 16)), ((2, 4, 4), (20, 4, 4)), ((8, 8), (64, 8))]
)
def test_a_patch_with_more_than_one_voxel_left_fits(scale, patch):
    check_patch_size(scale, patch)


@pytest.mark.parametrize(
    ("scale", "patch", "fitting"),
    [
        ((8, 8), (8, 8), "(16, 16)"),
        ((8, 8), (12, 16), "(16, 16)"),
        ((4, 8, 8), (16, 20, 31), "(16, 16, 32)"),
        ((8, 8), (4, 64), "(16, 64)"),
    ],
)
def test_a_patch_that_is_too_small_or_not_divisible_is_refused_with_one_that_fits(scale, patch, fitting):
    with pytest.raises(NetworkStructureError) as refusal:
        check_patch_size(scale, patch)
    message = str(refusal.value)
    assert str(patch) in message
    assert str(scale) in message
    assert f"nearest that fits is {fitting}" in message
    assert "--patch-size" in message


@pytest.mark.parametrize("patch", [(1, 1), (8, 9), (15, 17), (100, 3), (7, 7), (16, 8)])
def test_the_patch_that_is_proposed_is_itself_accepted(patch):
    try:
        check_patch_size((8, 8), patch)
    except NetworkStructureError as refusal:
        proposed = str(refusal).split("nearest that fits is ")[1].split(":")[0]
        check_patch_size((8, 8), tuple(int(n) for n in proposed.strip("()").split(",")))


def test_a_patch_of_other_dimensions_is_refused():
    with pytest.raises(NetworkStructureError, match="has 2 axes, this network works on 3"):
        check_patch_size((4, 4, 4), (32, 32))
