import math
from pathlib import Path

import numpy as np
import pytest
from metric_oracle import (
    class_ap,
    component_table,
    make_vocabulary,
    mean,
    random_videos,
    random_vocabulary,
    top_k,
    video_map,
)

from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.data.videos import TripletDataset, Video
from video_triplet.predictions.file import Predictions
from video_triplet.predictions.ivt import class_average_precision, nan_mean, top_k_recall
from video_triplet.predictions.metrics import cross_validation, evaluate, evaluate_dataset
from video_triplet.predictions.scores import score_classes, score_components

PARTS = {"ivt": (0, 1, 2), "i": (0,), "v": (1,), "t": (2,), "iv": (0, 1), "it": (0, 2), "vt": (1, 2)}
TINY = make_vocabulary([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)], (2, 2, 3), phases=("before", "after"))


def names(count):
    return tuple(map(str, range(count)))


def dataset(*videos, vocabulary=TINY):
    return TripletDataset(Path("data"), "cholect50", vocabulary, {video.name: video for video in videos})


def video(name, frames, seed=0, heads=("triplet",), vocabulary=TINY):
    rng = np.random.default_rng(seed)
    labels = {head: (rng.random((len(frames), vocabulary.size(head))) < 0.5).astype(np.uint8) for head in heads}
    return Video(name, Path(name), np.array(frames), labels)


def predict(videos, seed=1, models=(), heads=("triplet",), vocabulary=TINY, extra=()):
    rng = np.random.default_rng(seed)
    keys = [(index, int(frame)) for index, item in enumerate(videos) for frame in item.frames] + list(extra)
    probabilities = {head: rng.random((len(keys), vocabulary.size(head))).astype(np.float32) for head in heads}
    ids, frames = np.array(keys).T
    return Predictions(vocabulary, tuple(item.name for item in videos), ids, frames, probabilities, models)


def record(trained_on, selected_on=()):
    return ModelRecord("Trainer", "0" * 64, 3, 0, 0, tuple(trained_on), tuple(selected_on))


@pytest.mark.parametrize("decimals", [1, 6], ids=["tied scores", "distinct scores"])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_the_definition(seed, decimals):
    targets, scores = random_videos(7, videos=1, seed=seed, decimals=decimals)
    expected = class_ap(targets[0], scores[0])
    assert np.isnan(expected).any()
    np.testing.assert_allclose(class_average_precision(targets[0], scores[0]), expected, atol=1e-12)


def test_average_precision_by_hand():
    targets, scores = np.array([[1], [0], [1]]), np.array([[0.9], [0.8], [0.1]])
    assert class_average_precision(targets, scores) == pytest.approx([0.5 * 1 + 0.5 * 2 / 3])


def test_all_scores_tied_give_the_prevalence():
    targets = np.array([[1, 0], [0, 0], [0, 1], [1, 0]])
    assert class_average_precision(targets, np.full((4, 2), 0.3)) == pytest.approx([0.5, 0.25])


def test_an_empty_video_gives_only_not_a_number():
    assert np.isnan(class_average_precision(np.zeros((5, 3)), np.ones((5, 3)))).all()


def test_an_empty_video_does_not_change_the_mean_over_the_others():
    targets, scores = random_videos(6, seed=4)
    alone = score_classes(targets, scores, classes=names(6))
    with_empty = score_classes([*targets, np.zeros_like(targets[0])], [*scores, scores[0]], classes=names(6))
    assert with_empty.mean_ap == pytest.approx(alone.mean_ap)
    assert math.isnan(with_empty.per_video_map[-1])


def test_a_video_in_which_one_class_occurs_is_scored():
    targets, scores = random_videos(1, videos=2, seed=1, present=1.0)
    result = score_classes(targets, scores, classes=("only",))
    assert result.mean_ap == pytest.approx(video_map(targets, scores))


def test_a_video_of_one_frame_is_scored():
    np.testing.assert_allclose(
        class_average_precision(np.array([[1, 1, 0]]), np.array([[0.1, 0.9, 0.2]])), [1, 1, np.nan]
    )


@pytest.mark.parametrize("ignore_null", [False, True])
@pytest.mark.parametrize("count", [100, 85])
def test_every_component_is_scored_as_the_definition_says(count, ignore_null):
    vocabulary = random_vocabulary(count, seed=count)
    assert vocabulary.null_triplets
    targets, scores = random_videos(count, videos=2, frames=20, seed=count)
    result = score_components(targets, scores, vocabulary=vocabulary, ignore_null=ignore_null, top_k=(5,))
    assert set(result) == set(PARTS)
    for component, parts in PARTS.items():
        ordered = component == "ivt"
        t, s = ([x if ordered else component_table(x, vocabulary, parts) for x in side] for side in (targets, scores))
        dropped = vocabulary.null_triplets if ignore_null and ordered else ()
        kept = [c for c in range(t[0].shape[1]) if c not in dropped]
        assert len(result[component].classes) == len(kept)
        assert result[component].mean_ap == pytest.approx(video_map(t, s, dropped))
        pooled = [np.concatenate(side) for side in (t, s)]
        assert result[component].global_map == pytest.approx(mean([class_ap(*pooled)[c] for c in kept]))
        assert result[component].top_k[5] == pytest.approx(top_k(*pooled, 5))


def test_component_names_are_those_of_their_columns():
    result = score_components(*random_videos(4), vocabulary=TINY)
    assert result["vt"].classes == ("v0,t0", "v0,t1", "null_verb,t1", "null_verb,null_target")
    assert result["t"].classes == ("t0", "t1", "null_target")


def test_per_video_map_is_the_mean_over_the_classes_of_that_video():
    targets, scores = random_videos(8, seed=3)
    result = score_classes(targets, scores, classes=names(8))
    expected = [mean(class_ap(t, s)) for t, s in zip(targets, scores, strict=True)]
    np.testing.assert_allclose(result.per_video_map, expected)


@pytest.mark.parametrize("k", [1, 3, 5, 50])
def test_top_k_counts_labels_over_all_frames_and_prefers_lower_ids_in_ties(k):
    targets, scores = random_videos(10, videos=1, seed=2)
    assert top_k_recall(targets[0], scores[0], [k])[k] == pytest.approx(top_k(targets[0], scores[0], k))


def test_of_tied_scores_the_lower_id_is_in_the_top_k():
    tied = np.full((1, 40), 0.5)
    first, last = np.eye(40, dtype=int)[[0]], np.eye(40, dtype=int)[[39]]
    assert top_k_recall(first, tied, [1]) == {1: 1.0}
    assert top_k_recall(last, tied, [1, 39, 40]) == {1: 0.0, 39: 0.0, 40: 1.0}


def test_top_k_without_a_label_is_not_a_number():
    assert math.isnan(top_k_recall(np.zeros((2, 3)), np.ones((2, 3)), [1])[1])


def test_nan_mean_leaves_out_what_is_not_a_number():
    table = np.array([[1.0, np.nan], [3.0, np.nan]])
    np.testing.assert_equal(nan_mean(table, axis=0), [2.0, np.nan])


def test_labels_and_scores_of_different_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(3, 2\)"):
        class_average_precision(np.zeros((2, 3)), np.zeros((3, 2)))


def test_soft_labels_are_refused_as_truth():
    with pytest.raises(DataError, match="0 or 1"):
        class_average_precision(np.full((2, 2), 0.5), np.zeros((2, 2)))


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(DataError, match="finite"):
        class_average_precision(np.ones((1, 2)), np.array([[np.nan, 0.0]]))


def test_predictions_are_aligned_by_video_and_frame_not_by_position():
    videos = [video("A", range(0, 20)), video("B", range(3, 15), seed=5)]
    predictions = predict(videos)
    shuffled = predictions.select(np.random.default_rng(0).permutation(len(predictions)))
    expected = video_map(
        [item.labels["triplet"] for item in videos], np.split(predictions.probabilities["triplet"], [20])
    )
    assert evaluate(shuffled, videos).mean_ap == pytest.approx(expected)


def test_labelled_frames_without_predictions_are_named():
    whole = video("A", range(5))
    with pytest.raises(DataError, match="A frame 4"):
        evaluate(predict([whole]).select(np.arange(4)), [whole])


def test_predicted_frames_without_labels_are_left_out_and_counted():
    videos = [video("A", range(10))]
    with_more = predict(videos, extra=[(0, 77), (0, 78)])
    result = evaluate(with_more, videos)
    assert (result.unlabelled_frames, result.frames) == (2, 10)
    assert result.mean_ap == evaluate(with_more.select(np.arange(10)), videos).mean_ap


def test_a_predicted_video_without_labels_is_refused():
    videos = [video("A", range(5)), video("B", range(5))]
    with pytest.raises(DataError, match="without labels: B"):
        evaluate(predict(videos), videos[:1])


def test_auxiliary_heads_are_scored_by_their_own_probabilities():
    heads = ("triplet", "instrument", "verb", "target", "phase")
    videos = [video("A", range(12), heads=heads), video("B", range(9), seed=2, heads=heads)]
    predictions = predict(videos, heads=heads)
    result = evaluate(predictions, videos)
    assert set(result.heads) == set(heads) - {"triplet"}
    for head, score in result.heads.items():
        expected = video_map([item.labels[head] for item in videos], np.split(predictions.probabilities[head], [12]))
        assert score.mean_ap == pytest.approx(expected)
        assert score.classes == TINY.names(head)


def test_a_head_that_one_video_has_no_labels_for_is_reported_and_not_scored():
    videos = [video("A", range(5), heads=("triplet", "phase")), video("B", range(5))]
    result = evaluate(predict(videos, heads=("triplet", "phase")), videos)
    assert (result.unscored_heads, dict(result.heads)) == (("phase",), {})


def test_videos_a_model_was_trained_on_are_refused_unless_allowed():
    videos = [video("A", range(5))]
    predictions = predict(videos, models=(record(["A", "C"]),))
    with pytest.raises(LeakError, match="A was used to train"):
        evaluate(predictions, videos)
    assert evaluate(predictions, videos, allow_training_videos=True).trained_on == ("A",)


def test_videos_that_chose_the_epoch_are_recorded():
    videos = [video("A", range(5)), video("B", range(5))]
    assert evaluate(predict(videos, models=(record(["C"], ["B"]),)), videos).selected_on == ("B",)


def test_a_data_set_with_classes_in_another_order_is_refused():
    other = make_vocabulary([(0, 1, 1), (0, 0, 0), (1, 0, 1), (1, 1, 2)], (2, 2, 3))
    item = video("A", range(5))
    with pytest.raises(DataError, match="differ from class 0"):
        evaluate_dataset(predict([item]), dataset(item, vocabulary=other))


def test_a_data_set_without_phases_scores_a_model_with_phases():
    item = video("A", range(5))
    without = make_vocabulary(TINY.triplets, (2, 2, 3))
    result = evaluate_dataset(predict([item], heads=("triplet", "phase")), dataset(item, vocabulary=without))
    assert result.unscored_heads == ("phase",)


def test_of_a_data_set_only_the_predicted_videos_are_scored():
    first, second = video("A", range(5)), video("B", range(5))
    assert evaluate_dataset(predict([first]), dataset(first, second)).videos == ("A",)


def test_a_video_asked_for_and_not_predicted_is_an_error():
    first, second = video("A", range(5)), video("B", range(5))
    with pytest.raises(DataError, match="B frame 0"):
        evaluate_dataset(predict([first]), dataset(first, second), videos=["A", "B"])


def test_each_fold_counts_the_same_however_many_frames_it_has():
    short, long = video("A", range(4)), video("B", range(40), seed=3)
    folds = [evaluate(predict([item]), [item]) for item in (short, long)]
    score = cross_validation(folds)
    a, b = (fold.mean_ap for fold in folds)
    assert score.mean == pytest.approx((a + b) / 2)
    assert score.std == pytest.approx(abs(a - b) / math.sqrt(2))


def test_a_single_fold_has_no_standard_deviation():
    item = video("A", range(4))
    assert math.isnan(cross_validation([evaluate(predict([item]), [item])]).std)


def test_a_video_in_two_folds_is_refused():
    item = video("A", range(4))
    fold = evaluate(predict([item]), [item])
    with pytest.raises(DataError, match="A in more than one fold"):
        cross_validation([fold, fold])


def test_folds_that_treat_null_triplets_differently_are_refused():
    items = video("A", range(4)), video("B", range(4))
    folds = [evaluate(predict([x]), [x], ignore_null=flag) for x, flag in zip(items, (True, False), strict=True)]
    with pytest.raises(DataError, match="ignore null"):
        cross_validation(folds)
