"""Every method of feedback: which places it pairs, and each term against a literal NumPy version."""

import numpy as np
import pytest
import torch
from scipy import special
from test_attention import literal_map
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.attention import resize, unify
from nnunet_dsd.distillation.hierarchical import LevelCounts, Views, feedback_of, feedback_value, feedback_weights

FIVE = LevelCounts(5, 4)


def views(seed, *, widths=(4, 6, 8), dimensions=2, classes=3, requires_grad=False):
    """A network of three encoder and two decoder levels on patches of 8 voxels per axis."""
    generator = torch.Generator().manual_seed(seed)

    def draw(channels, size):
        made = torch.randn(2, channels, *(size,) * dimensions, generator=generator)
        return made.requires_grad_(requires_grad)

    return Views(
        features=tuple(draw(channels, 8 // 2**i) for i, channels in enumerate(widths)),
        maps=(draw(widths[1], 4), draw(widths[0], 8)),
        output=draw(classes, 8),
    )


def array(tensor):
    return tensor.detach().double().numpy()


def literal_kd(student, teacher, temperature):
    p = special.log_softmax(array(teacher) / temperature, axis=1)
    q = special.log_softmax(array(student) / temperature, axis=1)
    return float(temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean())


def literal_at(student, teacher):
    return float(((literal_map(student.detach()) - literal_map(teacher.detach())) ** 2).sum(axis=1).mean())


def shown(method, student=FIVE, teacher=FIVE):
    """The terms as `name: student <- teachers`, with e for encoder levels and d for decoder levels, from 1."""

    def text(place):
        return "out" if place.kind == "output" else f"{'e' if place.kind == 'feature' else 'd'}{place.index + 1}"

    terms = feedback_of(method, student=student, teacher=teacher)
    return {term.name: f"{text(term.student)} <- {' '.join(text(place) for place in term.teachers)}" for term in terms}


HLFD = {
    "ufd": "e1 <- e2 e3 e4",
    "ifd_1": "e2 <- e5",
    "ifd_2": "e3 <- e5",
    "ifd_3": "e4 <- e5",
    "upd": "d1 <- d1 d2 d3",
    "ipd_1": "d2 <- out",
    "ipd_2": "d3 <- out",
    "ipd_3": "d4 <- out",
}
SKD = {"output_kd": "out <- out", "final": "e5 <- e5"}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("hlfd", HLFD),
        ("feature", {name: pair for name, pair in HLFD.items() if name.startswith(("ufd", "ifd"))}),
        ("pixel", {name: pair for name, pair in HLFD.items() if name.startswith(("upd", "ipd"))}),
        ("ufd", {"ufd": HLFD["ufd"]}),
        ("ifd", {name: pair for name, pair in HLFD.items() if name.startswith("ifd")}),
        ("skd", SKD),
        ("at", {"final": "e5 <- e5"}),
        ("hifd", {**SKD, "ifd_1": "e2 <- e5", "ifd_3": "e4 <- e5", "ipd_1": "d2 <- out", "ipd_3": "d4 <- out"}),
        (
            "dkd",
            {
                **SKD,
                **{f"feature_{i}": f"e{i + 1} <- e{i + 1}" for i in range(4)},
                **{f"map_{i}": f"d{i + 1} <- d{i + 1}" for i in range(4)},
            },
        ),
        ("none", {}),
    ],
)
def test_each_method_pairs_the_places_of_the_authors_code(method, expected):
    assert shown(method) == expected


def test_networks_of_other_depths_are_paired_by_role():
    assert shown("hlfd", LevelCounts(3, 2), LevelCounts(5, 4)) == {
        "ufd": "e1 <- e2 e3 e4",
        "ifd_1": "e2 <- e5",
        "upd": "d1 <- d1 d2 d3",
        "ipd_1": "d2 <- out",
    }
    assert shown("skd", LevelCounts(3, 2), LevelCounts(5, 4))["final"] == "e3 <- e5"


@pytest.mark.parametrize(
    ("method", "student", "message"),
    [
        ("hlfd", LevelCounts(2, 1), "the student has 2 encoder and 1 decoder levels"),
        ("dkd", LevelCounts(4, 3), "the student has 4 encoder and 3 decoder levels, the teacher 5 and 4"),
    ],
)
def test_what_cannot_be_paired_is_refused(method, student, message):
    with pytest.raises(NetworkStructureError, match=message):
        feedback_of(method, student=student, teacher=FIVE)


def test_weights_are_halves_of_beta_and_lambda_in_the_whole_method_and_whole_ones_elsewhere():
    terms = feedback_of("hlfd", student=FIVE, teacher=FIVE)
    weights = feedback_weights(terms, beta=0.9, lambda_=0.1)
    assert weights["ufd"] == weights["ifd_2"] == pytest.approx(0.45)
    assert weights["upd"] == weights["ipd_3"] == pytest.approx(0.05)
    alone = feedback_weights(feedback_of("skd", student=FIVE, teacher=FIVE), beta=0.9, lambda_=0.1)
    assert alone == {"output_kd": 0.1, "final": 0.9}


COUNTS = LevelCounts(3, 2)


def term_of(method, name):
    return next(term for term in feedback_of(method, student=COUNTS, teacher=COUNTS) if term.name == name)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_ufd_compares_the_early_feature_with_the_unified_middle_ones(dimensions):
    student, teacher = views(0, dimensions=dimensions), views(1, widths=(5, 7, 9), dimensions=dimensions)
    value = feedback_value(term_of("hlfd", "ufd"), student, teacher, temperature=4.0)
    guide = resize(teacher.features[1], (8,) * dimensions)
    assert value.item() == pytest.approx(literal_at(student.features[0], guide), rel=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_ufd_joins_several_middle_features_at_the_size_of_the_smallest(dimensions):
    """Five levels: e1 follows e2, e3 and e4 of the teacher, each resized to e4's size, joined along the channels."""
    generator = torch.Generator().manual_seed(0)

    def network(widths):
        features = tuple(
            torch.randn(2, channels, *(16 // 2**level,) * dimensions, generator=generator)
            for level, channels in enumerate(widths)
        )
        return Views(features=features, maps=(), output=torch.empty(0))

    student, teacher = network((3, 4, 5, 6, 7)), network((2, 3, 4, 5, 6))
    term = next(one for one in feedback_of("hlfd", student=FIVE, teacher=FIVE) if one.name == "ufd")
    value = feedback_value(term, student, teacher, temperature=4.0)
    mode = {2: "bilinear", 3: "trilinear"}[dimensions]

    def resized(features, size):
        return functional.interpolate(features, size=(size,) * dimensions, mode=mode, align_corners=False)

    joined = torch.cat([resized(features, 2) for features in teacher.features[1:4]], dim=1)
    assert joined.shape[1] == 3 + 4 + 5
    assert value.item() == pytest.approx(literal_at(student.features[0], resized(joined, 16)), rel=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_ifd_compares_a_middle_feature_with_the_final_one_at_its_size(dimensions):
    student, teacher = views(0, dimensions=dimensions), views(1, widths=(5, 7, 9), dimensions=dimensions)
    value = feedback_value(term_of("hlfd", "ifd_1"), student, teacher, temperature=4.0)
    follower = resize(student.features[1], (2,) * dimensions)
    assert value.item() == pytest.approx(literal_at(follower, teacher.features[2]), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_upd_compares_the_early_map_with_the_projected_unified_ones(temperature):
    student, teacher = views(0), views(1, widths=(5, 7, 9))
    projection = torch.nn.Conv2d(12, 6, 1)
    projected = projection(unify(teacher.maps))
    value = feedback_value(term_of("hlfd", "upd"), student, teacher, temperature=temperature, projected=projected)
    assert projected.shape[2:] == (4, 4)
    assert value.item() == pytest.approx(literal_kd(student.maps[0], projected, temperature), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_ipd_compares_a_projected_map_with_the_output_whatever_the_number_of_classes(classes):
    """The authors' code scales it by 2 / C, because it takes every two numbers for a voxel."""
    student, teacher = views(0, classes=classes), views(1, classes=classes)
    projected = torch.nn.Conv2d(6, classes, 1)(student.maps[0])
    term = feedback_of("hlfd", student=COUNTS, teacher=COUNTS)[-1]
    value = feedback_value(term, student, teacher, temperature=4.0, projected=projected)
    assert value.item() == pytest.approx(literal_kd(resize(projected, (8, 8)), teacher.output, 4.0), rel=1e-4)


def test_output_to_output_is_plain_distillation():
    student, teacher = views(0), views(1)
    value = feedback_value(term_of("skd", "output_kd"), student, teacher, temperature=4.0)
    assert value.item() == pytest.approx(literal_kd(student.output, teacher.output, 4.0), rel=1e-4)


def test_regions_are_bernoulli_variables_and_masked_voxels_do_not_count():
    student, teacher = views(0), views(1)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :3] = 1
    value = feedback_value(term_of("skd", "output_kd"), student, teacher, temperature=2.0, mask=mask, regions=True)
    p, q = (special.expit(array(x)[..., :3] / 2) for x in (teacher.output, student.output))
    expected = 4 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1).mean()
    assert value.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("method", "direct"), [("skd", 2), ("dkd", 6), ("hifd", 2)])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_where_places_are_compared_directly(method, direct):
    same = views(0)
    terms = [term for term in feedback_of(method, student=COUNTS, teacher=COUNTS) if term.teachers == (term.student,)]
    assert len(terms) == direct
    for term in terms:
        assert feedback_value(term, same, same, temperature=4.0).item() == pytest.approx(0, abs=1e-6)


def test_gradients_reach_the_student():
    student, teacher = views(0, requires_grad=True), views(1)
    total = sum(feedback_value(term_of("hlfd", name), student, teacher, temperature=4.0) for name in ("ufd", "ifd_1"))
    total.backward()
    assert student.features[0].grad.abs().max() > 0
    assert student.features[1].grad.abs().max() > 0
