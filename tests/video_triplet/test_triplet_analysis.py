import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from made_up_scores import VOCABULARY, make_dataset, make_predictions
from metric_oracle import make_vocabulary
from PIL import Image

import video_triplet.data.reading
from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.analysis.inputs import labelled_frames
from video_triplet.analysis.label_distribution import draw_label_distribution, label_distribution
from video_triplet.analysis.per_class import draw_per_class, order_classes
from video_triplet.analysis.per_video import compare_videos, draw_per_video
from video_triplet.analysis.similarity import bootstrap_mean, component_matches, random_others, similarity, top_others
from video_triplet.analysis.soft_label_examples import draw_soft_label_example, soft_label_example
from video_triplet.cli.main import build_parser, main

SIX = make_vocabulary([(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 2), (0, 1, 2)], (2, 2, 3))


def not_blank(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L")).std() > 5


def slow_similarity(hard, soft, triplets, top):
    """Mean shared components per single-label frame, in plain loops."""
    means = []
    for labels, scores in zip(hard.tolist(), soft.tolist(), strict=True):
        if sum(labels) != 1:
            continue
        reference = labels.index(1)
        others = sorted((c for c in range(len(labels)) if c != reference), key=lambda c: (-scores[c], c))[:top]
        shared = [sum(a == b for a, b in zip(triplets[c], triplets[reference], strict=True)) for c in others]
        means.append(sum(shared) / top)
    return sum(means) / len(means), len(means)


def inclusion_probabilities(prevalence, reference, top):
    """Probability of each class to be drawn, summed over every ordered draw without replacement."""
    found = np.zeros(len(prevalence))
    for order in itertools.permutations([c for c in range(len(prevalence)) if c != reference], top):
        left, chance = sum(prevalence) - prevalence[reference], 1.0
        for c in order:
            chance *= prevalence[c] / left
            left -= prevalence[c]
        found[list(order)] += chance
    return found


def test_component_matches_by_hand():
    np.testing.assert_array_equal(component_matches(SIX)[0], [3, 2, 1, 0, 2, 0, 1])


def test_the_reference_is_never_among_the_top_others_and_ties_go_by_id():
    soft = np.array([[0.1, 0.9, 0.5, 0.5]])
    assert top_others(soft, np.array([1]), 2).tolist() == [[2, 3]]


@pytest.mark.parametrize("top", [1, 5])
def test_similarity_of_soft_labels_is_that_of_the_slow_oracle(top):
    rng = np.random.default_rng(top)
    hard = (rng.random((60, 30)) < 0.04).astype(np.uint8)
    soft = np.round(rng.random(hard.shape), 1)
    result = similarity(hard, soft, VOCABULARY, top=top, draws=1)
    expected, frames = slow_similarity(hard, soft, VOCABULARY.triplets, top)
    assert 0 < frames < 60
    assert (result.soft.mean, result.frames) == (pytest.approx(expected), frames)
    assert result.soft.low <= result.soft.mean <= result.soft.high


def test_random_triplets_are_drawn_by_prevalence_without_replacement_and_reference():
    prevalence = np.array([5.0, 1.0, 3.0, 0.0, 2.0])
    drawn = random_others(np.full(20000, 2), prevalence, 2, np.random.default_rng(0))
    assert all(len(set(row)) == 2 for row in drawn[:500].tolist())
    share = np.bincount(drawn.ravel(), minlength=5) / len(drawn)
    np.testing.assert_allclose(share, inclusion_probabilities(prevalence, 2, 2), atol=0.015)
    assert share[2] == share[3] == 0


def test_the_similarity_of_random_triplets_is_its_expectation():
    hard = np.repeat(np.eye(7, dtype=np.uint8), [40, 10, 30, 20, 10, 5, 5], axis=0)
    prevalence = hard.sum(axis=0).astype(float)
    matches = component_matches(SIX)
    expected = np.mean([inclusion_probabilities(prevalence, r, 2) @ matches[r] / 2 for r in hard.argmax(axis=1)])
    result = similarity(hard, np.zeros(hard.shape), SIX, top=2, draws=200, seed=1)
    assert result.random.mean == pytest.approx(expected, abs=0.02)


def test_the_same_seed_gives_the_same_numbers():
    hard = np.eye(7, dtype=np.uint8)
    soft = np.random.default_rng(0).random((7, 7))
    assert similarity(hard, soft, SIX, seed=3) == similarity(hard, soft, SIX, seed=3)
    assert similarity(hard, soft, SIX, seed=3) != similarity(hard, soft, SIX, seed=4)


def test_the_bootstrap_interval_is_that_of_the_normal_approximation_for_many_frames():
    values = np.random.default_rng(0).choice([0.0, 1.0], 4000)
    interval = bootstrap_mean(values, np.random.default_rng(1))
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=0.002)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.002)


def test_frames_that_all_have_several_labels_are_refused():
    with pytest.raises(DataError, match="exactly one"):
        similarity(np.ones((3, 7), np.uint8), np.ones((3, 7)), SIX)


def test_too_few_occurring_triplets_are_refused():
    hard = np.eye(7, dtype=np.uint8)[:3]
    with pytest.raises(DataError, match="only 3 triplets occur"):
        similarity(hard, np.ones((3, 7)), SIX)


def test_label_mass_is_summed_and_sorted_by_hard_labels():
    hard, soft = np.array([[0, 1, 0], [0, 1, 1]]), np.array([[0.1, 0.5, 0.2], [0.2, 0.7, 0.4]])
    result = label_distribution(hard, soft, ("a", "b", "c"))
    assert (result.classes, result.hard.tolist(), result.frames) == (("b", "c", "a"), [2, 1, 0], 2)
    np.testing.assert_allclose(result.soft, [1.2, 0.6, 0.3])


def test_hard_and_soft_labels_of_different_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        label_distribution(np.zeros((2, 3)), np.zeros((3, 3)), ("a", "b", "c"))


def test_videos_are_sorted_by_the_reference_configuration_with_unknown_last():
    maps = {"one": {"A": 0.1, "B": 0.2, "C": 0.9}, "two": {"A": 0.3, "B": 0.5, "C": math.nan}}
    assert compare_videos(maps).videos == ("B", "A", "C")
    table = compare_videos(maps, "one")
    assert table.videos == ("C", "B", "A")
    np.testing.assert_array_equal(table.values, [[0.9, 0.2, 0.1], [math.nan, 0.5, 0.3]])


def test_configurations_with_different_videos_are_refused():
    with pytest.raises(DataError, match="one and two differ in the videos B"):
        compare_videos({"one": {"A": 0.1, "B": 0.2}, "two": {"A": 0.3}})


def test_classes_are_ordered_and_absent_ones_left_out():
    assert order_classes(("a", "b", "c"), np.array([0.2, np.nan, 0.7])) == (("c", "a"), [0.7, 0.2])


def test_an_example_holds_the_reference_first_and_the_shared_components():
    example = soft_label_example(np.array([0.9, 0.1, 0.5, 0.0, 0.2, 0.0, 0.0]), 1, SIX, top=3)
    assert example.names == tuple(SIX.triplet_names[index] for index in (1, 0, 2, 4))
    assert (example.probabilities, example.matches) == ((0.1, 0.9, 0.5, 0.2), (3, 2, 2, 1))
    assert example.mean_matches == pytest.approx(5 / 3)


def test_a_frame_in_several_files_counts_once_with_its_mean_and_unlabelled_ones_do_not(tmp_path):
    dataset = make_dataset(tmp_path, frames=8)
    both = [make_predictions(dataset, ["VID01"], seed=seed) for seed in (1, 2)]
    reverse = both[1].select(np.arange(8)[::-1])
    frames = labelled_frames([both[0], reverse], dataset)
    assert frames.keys == tuple(("VID01", frame) for frame in range(8))
    np.testing.assert_array_equal(frames.hard, dataset.videos["VID01"].labels["triplet"])
    expected = np.mean([file.probabilities["triplet"] for file in both], axis=0, dtype=np.float64)
    np.testing.assert_allclose(frames.soft, expected, atol=1e-7)


def test_every_figure_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    hard = (rng.random((50, 7)) < 0.2).astype(np.uint8)
    draw_label_distribution(label_distribution(hard, hard * 0.5, SIX.triplet_names), tmp_path / "a.png")
    draw_per_class(("a", "b"), np.array([0.2, 0.4]), "Title", tmp_path / "b.png")
    draw_per_video(compare_videos({"one": {"A": 0.1, "B": math.nan}}), tmp_path / "c.png")
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    draw_soft_label_example(soft_label_example(rng.random(7), 1, SIX), image, "A", tmp_path / "d.png")
    assert all(not_blank(tmp_path / f"{name}.png") for name in "abcd")


def test_label_distribution_of_nothing_but_zeros_is_drawn(tmp_path):
    zeros = np.zeros((2, 7))
    draw_label_distribution(label_distribution(zeros, zeros, SIX.triplet_names), tmp_path / "a.png")
    assert not_blank(tmp_path / "a.png")


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path / "data", images=True)
    build_parser()  # a command that is imported while the function is replaced would keep the replacement
    monkeypatch.setattr(video_triplet.data.reading, "open_dataset", lambda path, *, phases=None: dataset)
    make_predictions(dataset, ["VID01", "VID02"], kind="soft labels").save(tmp_path / "soft.npz")
    for index, video in enumerate(dataset.videos):
        make_predictions(dataset, [video], seed=index).save(tmp_path / f"{index}.npz")
    return tmp_path


def analyse(folder, *arguments):
    return main(["analyse", "--data", "data", "-o", str(folder / "out"), *map(str, arguments)])


def test_analyse_writes_every_figure_that_the_inputs_allow(prepared):
    pairs = [f"base={prepared / '0.npz'}", f"base={prepared / '1.npz'}"]
    assert analyse(prepared, "--soft-labels", prepared / "soft.npz", "--predictions", *pairs, "--examples", 2) == 0
    written = json.loads((prepared / "out" / "analysis.json").read_text())
    assert set(written["per_video"]["map"]["base"]) == {"VID01", "VID02"}
    assert written["similarity"]["frames"] > 0
    figures = ["per_video.png", "label_distribution.png", *(example["file"] for example in written["examples"])]
    assert len(figures) == 4
    assert all(not_blank(prepared / "out" / name) for name in figures)


def test_analyse_of_predictions_alone_leaves_out_the_rest(prepared):
    assert analyse(prepared, "--predictions", f"base={prepared / '0.npz'}") == 0
    assert sorted(path.name for path in (prepared / "out").iterdir()) == ["analysis.json", "per_video.png"]


def test_analyse_of_nothing_is_refused(prepared, capsys):
    assert analyse(prepared) == 1
    assert "nothing to analyse" in capsys.readouterr().err


def test_a_configuration_without_a_name_is_refused(prepared, capsys):
    assert analyse(prepared, "--predictions", prepared / "0.npz") == 1
    assert "NAME=FILE" in capsys.readouterr().err


def test_the_parsers_and_the_metric_are_imported_without_heavy_libraries():
    code = (
        "import sys, video_triplet.predictions.metrics\n"
        "import video_triplet.cli.evaluate_command, video_triplet.cli.analyse_command\n"
        "import video_triplet.analysis.similarity, video_triplet.analysis.per_video\n"
        "print([name for name in ('torch', 'sklearn', 'matplotlib', 'ivtmetrics') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
