"""Each fault of ivtmetrics 0.1.5 shown in bare ivtmetrics, beside what we return; red once ivtmetrics mends it."""

import time
import warnings

import ivtmetrics.recognition
import numpy as np
import pytest
from ivtmetrics.recognition import Recognition
from metric_oracle import make_vocabulary, random_videos, random_vocabulary, video_map

from video_triplet.predictions.ivt import class_average_precision
from video_triplet.predictions.scores import score_components

OFFICIAL = make_vocabulary(Recognition().bank[:, 1:4])
EVERY_CLASS = {"seed": 1, "present": 1.0, "frames": 120}
genuine = ivtmetrics.recognition.average_precision_score


def returns_negative_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(np.signbit(genuine([0, 0], [0.1, 0.2])))


def bare(targets, scores):
    recognition = Recognition(targets[0].shape[1])
    for t, s in zip(targets, scores, strict=True):
        recognition.update(t, s)
        recognition.video_end()
    return recognition


def with_zero_for_absent(zero):
    def average_precision(targets, scores, average):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.atleast_1d(genuine(targets, scores, average=average))
        return np.where(np.asarray(targets).any(axis=0), values, zero)

    return average_precision


@pytest.mark.parametrize("zero", [-0.0, 0.0], ids=["-0.0 of old scikit-learn", "+0.0 of new scikit-learn"])
def test_the_result_does_not_depend_on_the_sign_of_scikit_learns_zero(monkeypatch, zero):
    targets, scores = random_videos(100)
    expected = video_map(targets, scores)
    monkeypatch.setattr(ivtmetrics.recognition, "average_precision_score", with_zero_for_absent(zero))
    assert score_components(targets, scores, vocabulary=OFFICIAL)["ivt"].mean_ap == pytest.approx(expected)
    agrees = bare(targets, scores).compute_video_AP("ivt")["mAP"] == pytest.approx(expected)
    assert agrees == bool(np.signbit(zero))


@pytest.mark.skipif(returns_negative_zero(), reason="this scikit-learn is so old that it returns -0.0")
@pytest.mark.filterwarnings("ignore")
def test_fault_a_absent_classes_count_as_zero():
    targets, scores = random_videos(100)
    assert bare(targets, scores).compute_video_AP("ivt")["mAP"] < 0.9 * video_map(targets, scores)


def test_where_every_class_occurs_ivtmetrics_and_we_agree():
    targets, scores = random_videos(100, **EVERY_CLASS)
    assert all(table.any(axis=0).all() for table in targets)
    ours = score_components(targets, scores, vocabulary=OFFICIAL)
    official = bare(targets, scores)
    for component in ("ivt", "i", "v", "t", "iv", "it"):
        result = official.compute_video_AP(component)
        np.testing.assert_allclose(ours[component].class_ap, result["AP"], atol=1e-12)
        assert ours[component].mean_ap == pytest.approx(result["mAP"], abs=1e-12)
        assert ours[component].global_map == pytest.approx(official.compute_global_AP(component)["mAP"], abs=1e-12)


def test_where_no_scores_are_tied_top_k_is_that_of_ivtmetrics():
    targets, scores = random_videos(100, decimals=12)
    ours = score_components(targets, scores, vocabulary=OFFICIAL)
    for k in (5, 10, 20):
        assert ours["ivt"].top_k[k] == pytest.approx(bare(targets, scores).topK(k, "ivt"))


def test_ignore_null_drops_what_ivtmetrics_drops():
    targets, scores = random_videos(100, **EVERY_CLASS)
    ours = score_components(targets, scores, vocabulary=OFFICIAL, ignore_null=True)
    official = bare(targets, scores)
    assert ours["ivt"].mean_ap == pytest.approx(official.compute_video_AP("ivt", ignore_null=True)["mAP"])
    assert ours["i"].mean_ap == pytest.approx(official.compute_video_AP("i", ignore_null=True)["mAP"])


@pytest.mark.parametrize("method", ["compute_video_AP", "compute_global_AP", "topK"])
@pytest.mark.filterwarnings("ignore")
def test_fault_b_a_video_that_was_not_ended_is_appended_at_each_call(method):
    targets, scores = random_videos(100, videos=1)
    recognition = Recognition()
    recognition.update(targets[0], scores[0])
    for _ in range(3):
        getattr(recognition, method)(component="ivt")
    assert len(recognition.global_targets) == 3


def test_fault_c_the_component_vt_is_not_there():
    targets, _ = random_videos(100, videos=1)
    with pytest.raises(IndexError):
        Recognition().extract(targets[0], "vt")


@pytest.mark.filterwarnings("ignore")
def test_fault_d_a_video_without_labels_is_scored_zero(monkeypatch):
    monkeypatch.setattr(ivtmetrics.recognition, "average_precision_score", with_zero_for_absent(0.0))
    targets, scores = [np.zeros((9, 100), int)], random_videos(100, videos=1, frames=9)[1]
    assert bare(targets, scores).compute_video_AP("ivt")["mAP"] == 0.0
    assert np.isnan(score_components(targets, scores, vocabulary=OFFICIAL)["ivt"].mean_ap)


def test_fault_e_the_constructor_changes_numpys_error_handling():
    with np.errstate(divide="warn", invalid="raise"):
        class_average_precision(*(side[0] for side in random_videos(5, videos=1)))
        assert np.geterr()["invalid"] == "raise"
        Recognition()
        assert np.geterr()["invalid"] == "ignore"


def test_fault_f_the_map_is_that_of_100_triplets():
    targets, scores = random_videos(85)
    with pytest.raises(IndexError):
        Recognition(85).extract(targets[0], "i")
    result = score_components(targets, scores, vocabulary=random_vocabulary(85))
    assert 0 < result["i"].mean_ap <= 1


def test_fault_g_components_are_extracted_frame_by_frame():
    table = random_videos(100, videos=1, frames=400)[1][0]
    start = time.perf_counter()
    slow = Recognition().extract(table, "it")
    middle = time.perf_counter()
    fast = OFFICIAL.to_component(table, "it")
    assert middle - start > 5 * (time.perf_counter() - middle)
    np.testing.assert_array_equal(slow, fast)


def test_fault_h_a_single_class_fails():
    recognition = Recognition(1)
    recognition.update(np.array([[1], [0]]), np.array([[0.9], [0.1]]))
    with pytest.raises(TypeError):
        recognition.compute_AP("ivt")
    assert class_average_precision(np.array([[1], [0]]), np.array([[0.9], [0.1]])) == pytest.approx([1.0])
