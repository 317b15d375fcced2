"""The figures hold what they should, and labels do not overlap."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_comparisons import HEAD_AND_TAIL, random_values, write_evaluation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from nnunet_dsd.common.errors import DataError, ShapeError
from nnunet_dsd.comparison.box_figure import box_figure
from nnunet_dsd.comparison.case_choice import Prediction, ShownCase
from nnunet_dsd.comparison.drawn_predictions import require_evaluated_images
from nnunet_dsd.comparison.forest_figure import forest_figure
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.comparison.overlays import contour_figure
from nnunet_dsd.comparison.panels import BETTER, NEUTRAL, WORSE, save_figure
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.comparison.slope_figure import slope_figure
from nnunet_dsd.evaluation.measures import find_measure
from nnunet_dsd.evaluation.structures import LabelSet, Structure

NAMES = ("left ventricle", "right ventricle", "left atrium", "right atrium", "myocardium", "aorta", "pulmonary artery")
HEART = tuple(Structure(name, (place + 1,)) for place, name in enumerate(NAMES))
ENDINGS = ("Basic", "Stock", "DS", "SDD", "SDE", "DSD", "DSDMean", "DSDReversed", "DSDFeatureL2")
CASES_OF_NAMES = tuple("abcdefg")
METHODS = tuple(f"nnUNetTrainer{name}" for name in ENDINGS)


def compared(folder, values, structures=HEAD_AND_TAIL, measure="dice"):
    """Scores, and the comparisons with the first method, of {method: values}."""
    runs = (Run(name, write_evaluation(folder / f"{name}.json", one, structures)) for name, one in values.items())
    run_list = RunList(tuple(runs))
    scores = read_scores(run_list)
    return scores, compare(run_list, scores, [find_measure(measure)], seed=0).results[0].comparisons


def drawn_texts(figure):
    """Every text that is drawn; tick labels beyond the axes' limits are not."""
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    for axis in figure.axes:
        yield from (axis.title, axis.xaxis.label, axis.yaxis.label)
        low, high = sorted(axis.get_xlim())
        yield from (label for label in axis.get_xticklabels() if low <= label.get_position()[0] <= high)
        low, high = sorted(axis.get_ylim())
        yield from (label for label in axis.get_yticklabels() if low <= label.get_position()[1] <= high)


def overlapping(figure):
    """Pairs of texts of a figure that cover each other."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in drawn_texts(figure) if text.get_visible() and text.get_text().strip()]
    # shrunk by a pixel: texts that touch do not cover each other
    boxes = [(text.get_text(), text.get_window_extent().padded(-1.0)) for text in texts]
    return [(one, other) for (one, a), (other, b) in itertools.combinations(boxes, 2) if a.overlaps(b)]


@pytest.fixture(scope="module", params=["nine methods, seven structures", "two methods, two structures, forty cases"])
def extremes(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    nine = request.param.startswith("nine")
    methods, structures = (METHODS, HEART) if nine else (("nnU-Net", "DSD"), HEAD_AND_TAIL)
    cases = [f"case_{number:03d}" for number in range(12 if nine else 40)]
    values = {
        method: random_values(cases, seed=place, gain=0.003 * place, structures=len(structures))
        for place, method in enumerate(methods)
    }
    return methods[0], *compared(folder, values, structures)


def test_no_labels_of_the_box_plots_overlap(extremes):
    baseline, scores, _ = extremes
    assert overlapping(box_figure(scores, find_measure("dice"), baseline=baseline)) == []


def test_no_labels_of_the_difference_plots_overlap(extremes):
    baseline, _, comparisons = extremes
    assert overlapping(forest_figure(comparisons, find_measure("dice"), baseline=baseline)) == []


def test_no_labels_of_the_slopes_overlap(extremes):
    baseline, scores, comparisons = extremes
    assert overlapping(slope_figure(scores, comparisons, find_measure("dice"), baseline=baseline)) == []


def test_long_names_of_methods_and_structures_stay_within_the_figures(tmp_path):
    values = {name * 6: random_values(CASES_OF_NAMES, seed=seed, structures=1) for seed, name in enumerate("AB")}
    scores, comparisons = compared(tmp_path, values, (Structure("a structure with a long name of its own", (1,)),))
    dice, baseline = find_measure("dice"), "A" * 6
    for figure in (
        box_figure(scores, dice, baseline=baseline),
        forest_figure(comparisons, dice, baseline=baseline),
        slope_figure(scores, comparisons, dice, baseline=baseline),
    ):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        for text in drawn_texts(figure):
            if text.get_text():
                box = text.get_window_extent()
                assert (box.x0 >= -1, box.x1 <= width + 1, box.y0 >= -1, box.y1 <= height + 1) == (True,) * 4


def test_overlapping_labels_would_be_seen():
    figure = Figure(figsize=(2, 2))
    figure.subplots().set_xticks([0, 0.05, 1], ["a long label", "another one", "far"])
    assert overlapping(figure) == [("a long label", "another one")]


@pytest.mark.filterwarnings("error")
def test_boxes_show_quartiles_and_every_defined_value_in_percent(tmp_path):
    values = {"A": {f"{n}": {"dice": (0.5 + n / 100, math.nan)} for n in (0, 1, 2, 3, 14)}}
    scores, _ = compared(tmp_path, values)
    figure = box_figure(scores, find_measure("dice"), baseline="A")
    head, tail, _ = figure.axes
    (box,) = head.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((51, 53))
    whiskers, caps, median, points = head.collections
    assert np.concatenate(whiskers.get_segments())[:, 0] == pytest.approx([50, 51, 53, 53])  # 64 is no neighbour of 53
    assert np.concatenate(caps.get_segments())[:, 0] == pytest.approx([50, 50, 53, 53])
    assert np.concatenate(median.get_segments())[:, 0] == pytest.approx([52, 52])
    assert head.lines[0].get_xdata() == pytest.approx([54])
    assert sorted(points.get_offsets()[:, 0]) == pytest.approx([50, 51, 52, 53, 64])
    assert (len(tail.patches), len(tail.collections)) == (0, 0)


@pytest.mark.parametrize(
    ("measure", "shift", "colours"),
    [
        ("dice", 0.01, [BETTER]),
        ("dice", -0.01, [WORSE]),
        ("hd95_mm", 0.01, [WORSE]),
        ("hd95_mm", -0.01, [BETTER]),
        ("rvd", 0.01, [NEUTRAL]),
    ],
)
def test_colours_of_differences_and_slopes_follow_what_is_better(tmp_path, measure, shift, colours):
    steps = [(value + number / 1000, value) for number, value in enumerate(np.linspace(0.5, 0.8, 8))]
    values = {
        "A": {f"{n}": {measure: (base, base)} for n, (_, base) in enumerate(steps)},
        "B": {f"{n}": {measure: (base + shift * (1 + n / 10),) * 2} for n, (_, base) in enumerate(steps)},
    }
    scores, comparisons = compared(tmp_path, values, measure=measure)
    forest = forest_figure(comparisons, find_measure(measure), baseline="A")
    assert [line.get_color() for line in forest.axes[0].lines[1:]] == colours
    slopes = slope_figure(scores, comparisons, find_measure(measure), baseline="A")
    assert {line.get_color() for line in slopes.axes[0].lines[:8]} == set(colours)
    counts = slopes.axes[0].get_xlabel()
    assert counts == {BETTER: "8 better, 0 worse", WORSE: "0 better, 8 worse", NEUTRAL: ""}[colours[0]]


def test_a_method_without_pairs_or_interval_leaves_its_line_empty_or_a_bare_point(tmp_path):
    values = {
        "A": {f"{n}": {"dice": (0.5, 0.5)} for n in range(3)},
        "B": {f"{n}": {"dice": (0.6, math.nan)} for n in range(3)},
    }
    _, comparisons = compared(tmp_path, values)
    head, tail, _ = forest_figure(comparisons, find_measure("dice"), baseline="A").axes
    assert (len(head.lines), len(head.collections)) == (2, 0)
    assert (len(tail.lines), len(tail.collections)) == (1, 0)


def test_more_than_eight_columns_of_slopes_continue_below(tmp_path):
    structures = tuple(Structure(f"organ {number}", (number,)) for number in range(1, 11))
    values = {name: random_values(("a", "b"), seed=seed, structures=10) for seed, name in enumerate("AB")}
    scores, comparisons = compared(tmp_path, values, structures)
    figure = slope_figure(scores, comparisons, find_measure("dice"), baseline="A")
    assert [axis.get_title() for axis in figure.axes] == [*(f"organ {number}" for number in range(1, 11)), "mean"]


def test_figures_are_written_for_the_screen_and_for_papers_and_always_alike(tmp_path):
    scores, _ = compared(tmp_path / "scores", {name: random_values(("a", "b"), seed=0) for name in "AB"})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save_figure(box_figure(scores, find_measure("dice"), baseline="A"), tmp_path / name, "box")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["box.pdf", "box.png", "box.svg"]
    for ending in ("pdf", "png", "svg"):
        assert (tmp_path / f"one/box.{ending}").read_bytes() == (tmp_path / f"two/box.{ending}").read_bytes()


def write_image(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


@pytest.fixture
def drawn(tmp_path):
    labels = np.zeros((4, 12, 10), np.uint8)
    labels[1, 2:6, 2:6], labels[1, 6:9, 2:6], labels[2, 2:4, 2:4] = 1, 2, 1
    write_image(tmp_path / "images/x_0000.nii.gz", np.arange(480, dtype=np.float32).reshape(4, 12, 10))
    for name in ("labels", "A", "B"):
        write_image(tmp_path / name / "x.nii.gz", labels)
    before = Prediction(tmp_path / "A", 0.8, "A fold 0", voxels=(16 + 4, 12))
    after = Prediction(tmp_path / "B", 0.8123, "B fold 0", voxels=(16 + 4, 12))
    shown = ShownCase("best", "x", 0.0123, before, after)
    return shown, ImageFiles(tmp_path / "images", tmp_path / "labels", LabelSet(()))


def test_a_case_is_drawn_in_the_references_best_slice_with_gain_and_dice(drawn):
    shown, files = drawn
    figure = contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    assert [axis.get_title() for axis in figure.axes] == ["image", "reference", "A", "B"]
    assert [len(axis.collections) for axis in figure.axes] == [0, 2, 4, 4]
    assert figure.axes[0].images[0].get_array()[0, 0] == 120  # the first value of slice 1
    assert figure.axes[0].get_ylabel() == "best: +1.23 points\nx"
    assert [axis.get_xlabel() for axis in figure.axes[2:]] == ["mean Dice 80.00 %", "mean Dice 81.23 %"]
    assert overlapping(figure) == []


def test_two_dimensional_cases_are_drawn_as_they_are(drawn):
    shown, files = drawn
    labels = np.ones((12, 10), np.uint8)
    for folder, name, array in (
        (files.images, "x_0000", labels * 3.5),
        (files.references, "x", labels),
        (shown.baseline.folder, "x", labels),
        (shown.method.folder, "x", labels),
    ):
        write_image(folder / f"{name}.nii.gz", array)
    before, after = (replace(one, voxels=(120, 0)) for one in (shown.baseline, shown.method))
    shown = replace(shown, baseline=before, method=after)
    figure = contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    assert figure.axes[0].images[0].get_array().shape == (12, 10)


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_are_drawn_in_their_colours(drawn, channels):
    shown, files = drawn
    image = np.random.default_rng(1).integers(0, 256, (12, 10, channels), dtype=np.uint8)
    Image.fromarray(image).save(files.images / "x_0000.png")
    for folder in (files.references, shown.baseline.folder, shown.method.folder):
        Image.fromarray(np.ones((12, 10), np.uint8)).save(folder / "x.png")
    before, after = (replace(one, voxels=(120, 0)) for one in (shown.baseline, shown.method))
    shown, files = (
        replace(shown, baseline=before, method=after),
        replace(files, labels=LabelSet((), file_ending=".png")),
    )
    figure = contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    colours = image[:, :, :3].astype(float)
    low, high = np.percentile(colours, [1, 99])
    assert np.allclose(figure.axes[0].images[0].get_array(), np.clip((colours - low) / (high - low), 0, 1))


def test_a_series_is_drawn_in_its_first_channel(drawn):
    shown, files = drawn
    series = np.stack([np.arange(480, dtype=np.float32).reshape(4, 12, 10), np.zeros((4, 12, 10), np.float32)])
    sitk.WriteImage(sitk.GetImageFromArray(series, isVector=False), str(files.images / "x_0000.nii.gz"))
    figure = contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    assert figure.axes[0].images[0].get_array()[0, 0] == 120  # the first value of slice 1


def test_images_that_do_not_fit_their_references_are_refused(drawn):
    shown, files = drawn
    write_image(files.images / "x_0000.nii.gz", np.zeros((4, 12, 9), np.float32))
    with pytest.raises(ShapeError, match="Name the images that the references were drawn on"):
        contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    (files.images / "x_0000.nii.gz").unlink()
    with pytest.raises(DataError, match="does not exist"):
        contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")


def test_predictions_that_were_not_evaluated_are_not_drawn_and_all_are_named(drawn):
    shown, files = drawn
    labels = np.zeros((4, 12, 10), np.uint8)
    labels[1, 2:6, 2:6] = 1
    write_image(shown.method.folder / "x.nii.gz", labels)
    (shown.baseline.folder / "x.nii.gz").unlink()
    with pytest.raises(DataError, match="not those that were evaluated") as caught:
        require_evaluated_images([shown], HEAD_AND_TAIL, files)
    problems = [line[4:] for line in str(caught.value).splitlines() if line.startswith("  - ")]
    folder = shown.method.folder
    assert problems == [
        f"A fold 0: {shown.baseline.folder / 'x.nii.gz'} does not exist.",
        f"B fold 0, case x: head has 16 voxels in {folder}, and 20 in the evaluation",
        f"B fold 0, case x: tail has 0 voxels in {folder}, and 12 in the evaluation",
    ]


def test_voxels_that_the_reference_ignores_are_not_counted(drawn):
    shown, files = drawn
    reference = np.zeros((4, 12, 10), np.uint8)
    reference[2] = 9
    write_image(files.references / "x.nii.gz", reference)
    before, after = (replace(one, voxels=(16, 12)) for one in (shown.baseline, shown.method))
    shown = replace(shown, baseline=before, method=after)
    with pytest.raises(DataError, match="If the data set has an `ignore` label, name `dataset_json`"):
        require_evaluated_images([shown], HEAD_AND_TAIL, files)
    require_evaluated_images([shown], HEAD_AND_TAIL, replace(files, labels=LabelSet((), 9), labels_are_known=True))


def test_an_image_in_colours_is_drawn_in_colours(drawn):
    shown, files = drawn
    files = replace(files, labels=LabelSet((), file_ending=".png"))
    shown = replace(shown, case="y")
    labels = np.zeros((12, 10), np.uint8)
    labels[2:6, 2:6] = 1
    colours = np.zeros((12, 10, 3), np.uint8)
    colours[..., 1] = 200
    files.images.joinpath("y_0000.png").parent.mkdir(exist_ok=True)
    Image.fromarray(colours).save(files.images / "y_0000.png")
    for folder in (files.references, shown.baseline.folder, shown.method.folder):
        Image.fromarray(labels).save(folder / "y.png")
    figure = contour_figure([shown], HEAD_AND_TAIL, files, baseline="A", method="B")
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (12, 10, 3)
    assert picture[0, 0].tolist() == pytest.approx([0, 1, 0])
    assert [len(axis.collections) for axis in figure.axes] == [0, 1, 2, 2]


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1 + 0.2, math.nan])
@pytest.mark.parametrize("cases", [1, 8])
def test_equal_and_missing_values_are_drawn_within_what_a_dice_can_be(tmp_path, value, cases):
    values = {name: {f"{n}": {"dice": (value, value)} for n in range(cases)} for name in "AB"}
    scores, comparisons = compared(tmp_path, values)
    dice = find_measure("dice")
    boxes, slopes = box_figure(scores, dice, baseline="A"), slope_figure(scores, comparisons, dice, baseline="A")
    differences = forest_figure(comparisons, dice, baseline="A")
    for axis, (low, high) in [(a, a.get_xlim()) for a in boxes.axes] + [(a, a.get_ylim()) for a in slopes.axes]:
        assert 0 <= low < high <= 100
        assert high - low >= 0.999
        assert [text.get_text() for text in axis.texts] == (["no value"] if math.isnan(value) else [])
    for axis in differences.axes:
        low, high = axis.get_xlim()
        assert low < 0 < high
        assert high - low >= 0.999
        assert [text.get_text() for text in axis.texts] == (["no value"] if math.isnan(value) else [])
    for figure in (boxes, slopes, differences):
        FigureCanvasAgg(figure).draw()
        offsets = [axis.xaxis.get_offset_text().get_text() for axis in figure.axes]
        assert not any(offsets)
