"""Criteria against closed forms and slow oracles; rules and regions by hand."""

import dataclasses
import math

import numpy as np
import pytest

from nnunet_dsd.common.errors import DataError, RegistryError
from video_triplet.selection import criteria as module
from video_triplet.selection.criteria import Band, Criterion, Extremum, criteria, region
from video_triplet.selection.evidence import EpochEvidence
from video_triplet.selection.plugins import find_named
from video_triplet.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_names(
    instruments=("a", "b"),
    verbs=("v", "w"),
    targets=("s", "t"),
    phases=(),
    triplets=("a,v,s", "a,v,t", "a,w,s", "a,w,t", "b,v,s", "b,v,t", "b,w,s"),
)
CLASSES = len(VOCABULARY.triplets)


def evidence(training, training_labels, validation=None, validation_labels=None, *, epoch=1, losses=(1.0,)):
    """Evidence of one epoch, one validation video."""
    validation = training if validation is None else validation
    validation_labels = training_labels if validation_labels is None else validation_labels
    return EpochEvidence(
        VOCABULARY,
        epoch,
        np.asarray(training, dtype=np.float32),
        np.asarray(training_labels, dtype=np.uint8),
        (np.asarray(validation, dtype=np.float32),),
        (np.asarray(validation_labels, dtype=np.uint8),),
        tuple(losses),
    )


def drawn(seed=0, frames=60):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.98, (frames, CLASSES)), (rng.random((frames, CLASSES)) < 0.3).astype(np.uint8)


def value(name, found):
    return criteria()[name].measure(found)


def test_the_reference_probability_is_the_mean_over_labels_one_by_one():
    probabilities, labels = drawn()
    total, count = 0.0, 0
    for frame in range(len(labels)):
        for column in range(CLASSES):
            if labels[frame, column]:
                total += probabilities[frame, column]
                count += 1
    assert value("reference-probability", evidence(probabilities, labels)) == pytest.approx(total / count, rel=1e-6)


def test_without_any_label_there_is_no_reference_probability():
    assert math.isnan(value("reference-probability", evidence(np.full((3, CLASSES), 0.5), np.zeros((3, CLASSES)))))


def test_the_entropy_ratio_is_entropy_over_cross_entropy_one_by_one():
    probabilities, labels = drawn(1)
    entropy = cross = 0.0
    for p, y in zip(probabilities.astype(np.float32).flatten().tolist(), labels.flatten().tolist(), strict=True):
        entropy -= p * math.log(p) + (1 - p) * math.log(1 - p)
        cross -= math.log(p) if y else math.log(1 - p)
    assert value("entropy", evidence(probabilities, labels)) == pytest.approx(entropy / cross, rel=1e-5)


def test_a_calibrated_teacher_has_the_entropy_ratio_one_and_others_are_on_their_side():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, (20_000, CLASSES))
    labels = (rng.random(p.shape) < p).astype(np.uint8)
    assert value("entropy", evidence(p, labels)) == pytest.approx(1, abs=0.01)
    logits = np.log(p / (1 - p))
    sure, unsure = 1 / (1 + np.exp(-3 * logits)), 1 / (1 + np.exp(-logits / 3))
    assert value("entropy", evidence(sure, labels)) < 0.9
    assert value("entropy", evidence(unsure, labels)) > 1.1


def test_the_calibration_error_is_that_of_bins_counted_one_by_one():
    probabilities, labels = drawn(3, 200)
    p, y = probabilities.astype(np.float32).flatten(), labels.flatten()
    expected = 0.0
    for number in range(module.CALIBRATION_BINS):
        low, high = number / module.CALIBRATION_BINS, (number + 1) / module.CALIBRATION_BINS
        inside = (p > low) & (p <= high)
        if inside.any():
            expected += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    assert value("calibration", evidence(probabilities, labels)) == pytest.approx(expected, rel=1e-4)


def test_perfect_predictions_have_no_calibration_error():
    _, labels = drawn(4)
    assert value("calibration", evidence(labels.astype(float), labels)) == pytest.approx(0, abs=1e-6)


def test_the_semantic_spread_counts_shared_components_of_the_top_five():
    labels = np.zeros((2, CLASSES))
    labels[0, 0] = 1  # a,v,s
    labels[1, [0, 1]] = 1  # two labels: left out
    probabilities = np.zeros((2, CLASSES))
    probabilities[0] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.0]
    # a,v,t 2; a,w,s 2; a,w,t 1; b,v,s 2; b,v,t 1
    assert value("semantic-spread", evidence(probabilities, labels)) == pytest.approx((2 + 2 + 1 + 2 + 1) / 5)


def test_the_semantic_spread_needs_frames_with_one_label():
    labels = np.zeros((2, CLASSES))
    labels[:, :2] = 1
    assert math.isnan(value("semantic-spread", evidence(np.full((2, CLASSES), 0.5), labels)))


def test_the_semantic_spread_needs_classes_with_components():
    classes = Vocabulary.from_classes([f"class {number}" for number in range(CLASSES)])
    found = dataclasses.replace(evidence(np.full((3, CLASSES), 0.5), np.eye(3, CLASSES)), vocabulary=classes)
    assert math.isnan(value("semantic-spread", found))


@pytest.mark.parametrize(("epoch", "expected"), [(1, 1.0), (2, 0.5), (3, 0.0), (4, 0.25)])
def test_the_loss_fraction_is_what_is_still_to_fall(epoch, expected):
    probabilities, labels = drawn(5, 4)
    found = evidence(probabilities, labels, epoch=epoch, losses=(1.0, 0.8, 0.6, 0.7))
    assert value("loss-fraction", found) == pytest.approx(expected)


def test_a_loss_that_never_falls_has_no_fraction():
    probabilities, labels = drawn(5, 4)
    assert math.isnan(value("loss-fraction", evidence(probabilities, labels, losses=(1.0, 1.2))))


def test_the_validation_map_is_the_mean_over_classes_of_the_mean_over_videos():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(6)
    videos = [(rng.random((30, CLASSES)), (rng.random((30, CLASSES)) < 0.3).astype(np.uint8)) for _ in range(2)]
    found = EpochEvidence(
        VOCABULARY,
        1,
        videos[0][0].astype(np.float32),
        videos[0][1],
        tuple(p.astype(np.float32) for p, _ in videos),
        tuple(y for _, y in videos),
        (1.0,),
    )
    per_class = [
        np.mean([average_precision_score(y[:, column], p[:, column]) for p, y in videos]) for column in range(CLASSES)
    ]
    assert value("validation-mAP", found) == pytest.approx(np.mean(per_class), rel=1e-6)


def test_a_band_takes_the_nearest_and_what_lies_within():
    rule = Band(0.75, 0.55, 0.85)
    values = np.array([0.3, 0.6, 0.74, 0.85, 0.9])
    assert region(values, rule, what="x") == (2, (1, 2, 3))


def test_a_region_has_no_gaps():
    rule = Band(0.75, 0.55, 0.85)
    values = np.array([0.6, 0.3, 0.7, 0.75, 0.95, 0.8])
    assert region(values, rule, what="x") == (3, (2, 3))


def test_the_best_is_in_the_region_even_where_nothing_is_good():
    assert region(np.array([0.2, 0.3, 0.1]), Band(0.75, 0.55, 0.85), what="x") == (1, (1,))


def test_an_extremum_takes_what_is_within_a_tenth_of_the_range():
    values = np.array([0.0, 0.95, 1.0, 0.89, 0.99])
    assert region(values, Extremum(highest=True), what="x") == (2, (1, 2))
    assert region(-values, Extremum(highest=False), what="x") == (2, (1, 2))


def test_equal_values_are_all_good_and_the_earliest_is_best():
    assert region(np.array([0.5, 0.5, 0.5]), Extremum(highest=True), what="x") == (0, (0, 1, 2))


def test_undefined_values_are_never_chosen():
    assert region(np.array([np.nan, 0.7, np.nan]), Band(0.75, 0.55, 0.85), what="x") == (1, (1,))
    with pytest.raises(DataError, match="x is not defined for any epoch"):
        region(np.array([np.nan, np.nan]), Extremum(highest=True), what="x")


def test_an_unknown_criterion_names_its_neighbours():
    with pytest.raises(RegistryError, match="did you mean entropy"):
        find_named(criteria(), "entropie", what="criterion")
    with pytest.raises(RegistryError, match="there are reference-probability"):
        find_named(criteria(), "zzz", what="criterion")


class FakePoint:
    """An entry point of another distribution."""

    def __init__(self, thing, name="theirs"):
        self.thing, self.name, self.value = thing, name, "theirs.module:THING"

    def load(self):
        if isinstance(self.thing, Exception):
            raise self.thing
        return self.thing


def plug_in(monkeypatch, thing):
    monkeypatch.setattr("video_triplet.selection.plugins.entry_points", lambda group: [FakePoint(thing)])


def test_another_distribution_can_add_a_criterion(monkeypatch):
    theirs = Criterion(
        name="always-one", summary="one", rule=Band(1, 0, 2), measure=lambda _: 1.0, uses_validation=False
    )
    plug_in(monkeypatch, theirs)
    assert criteria()["always-one"] is theirs
    assert "entropy" in criteria()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (ValueError("boom"), "cannot be loaded: ValueError: boom"),
        (3, "is a int, it must be a Criterion"),
        (module.BUILT_IN[0], "has the name 'reference-probability', which is taken"),
    ],
)
def test_a_broken_plug_in_is_named(monkeypatch, thing, message):
    plug_in(monkeypatch, thing)
    assert find_named(criteria(), "entropy", what="criterion").name == "entropy"
    with pytest.raises(RegistryError, match=message):
        find_named(criteria(), "theirs", what="criterion")
