"""The figure of the loss terms: which term goes into which panel, and that the file is whole."""

import math
import os
import typing

import pytest
from matplotlib import image
from matplotlib.figure import Figure

from nnunet_dsd.distillation.feedback_settings import FeedbackMethod
from nnunet_dsd.distillation.hierarchical import LevelCounts, feedback_of
from nnunet_dsd.trainers.loss_figure import _group_of, draw_loss_terms

TERMS = {
    "output": [1.0, 0.5, 0.25],
    "decoder_1": [1.5, 1.0, 0.75],
    "encoder_3": [2.0, 1.5, 1.0],
    "encoder_kl_1": [0.1, 0.2, 0.3],
    "encoder_l2_1": [0.01, 0.02, 0.03],
    "decoder_kl_2": [0.3, 0.2, 0.1],
    "decoder_l2_2": [0.3, 0.2, 0.15],
    "encoder_teacher_entropy": [1.0, math.nan, 0.5],
    "encoder_teacher_dice": [0.0, math.nan, 0.5],
}


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that are saved: per panel, its title and its lines."""
    figures, save = [], Figure.savefig

    def keep(figure, *arguments, **named):
        panels = {
            axis.get_title(): {line.get_label(): list(line.get_ydata()) for line in axis.get_lines()}
            for axis in figure.axes
        }
        figures.append(panels)
        save(figure, *arguments, **named)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_each_term_is_a_line_in_the_panel_of_its_kind(tmp_path, drawn):
    draw_loss_terms(TERMS, tmp_path / "loss_terms.png")
    (panels,) = drawn
    assert {title: list(lines) for title, lines in panels.items()} == {
        "ground truth": ["output", "decoder_1", "encoder_3"],
        "between encoders": ["encoder_kl_1", "encoder_l2_1"],
        "between decoders": ["decoder_kl_2", "decoder_l2_2"],
        "encoder teacher": ["encoder_teacher_entropy", "encoder_teacher_dice"],
    }
    assert panels["ground truth"]["decoder_1"] == TERMS["decoder_1"]
    assert panels["between decoders"]["decoder_kl_2"] == TERMS["decoder_kl_2"]


@pytest.mark.parametrize("method", typing.get_args(FeedbackMethod))
def test_every_term_of_feedback_has_a_panel_of_its_kind(method):
    counts = LevelCounts(5, 4)
    for term in feedback_of(method, student=counts, teacher=counts):
        assert _group_of(term.name) == f"feedback on {'features' if term.on_features else 'maps'}", term.name


def test_terms_of_other_packages_have_a_panel(tmp_path, drawn):
    draw_loss_terms({"output": [1.0], "contrast": [2.0]}, tmp_path / "loss_terms.png")
    assert drawn[0]["other terms"] == {"contrast": [2.0]}


def test_kinds_without_terms_get_no_panel(tmp_path, drawn):
    draw_loss_terms({"output": [1.0]}, tmp_path / "loss_terms.png")
    assert list(drawn[0]) == ["ground truth"]


@pytest.mark.parametrize("terms", [TERMS, {"output": [1.0]}, {"output": []}], ids=["all", "one epoch", "no epoch yet"])
def test_the_file_is_a_png_and_no_part_is_left(tmp_path, terms):
    path = tmp_path / "loss_terms.png"
    draw_loss_terms(terms, str(path))
    assert os.listdir(tmp_path) == ["loss_terms.png"]
    pixels = image.imread(path)
    assert pixels.shape[1] == 990  # 9 inches at 110 dots
    assert pixels.std() > 0


def test_a_second_drawing_replaces_the_first(tmp_path):
    path = tmp_path / "loss_terms.png"
    draw_loss_terms({"output": [1.0, 2.0]}, path)
    before = path.read_bytes()
    draw_loss_terms({"output": [2.0, 1.0]}, path)
    assert path.read_bytes() != before


def test_a_failure_leaves_the_earlier_figure_whole(tmp_path, monkeypatch):
    path = tmp_path / "loss_terms.png"
    draw_loss_terms({"output": [1.0, 2.0]}, path)
    before = path.read_bytes()

    def full_disk(figure, target, **_):
        target.write_bytes(b"\x89PNG")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        draw_loss_terms({"output": [2.0, 1.0]}, path)
    assert path.read_bytes() == before


def test_an_encoder_teacher_that_never_shows_anything_is_called_inert(tmp_path, drawn):
    draw_loss_terms(TERMS | {"encoder_teacher_dice": [0.0, math.nan, 0.01]}, tmp_path / "loss_terms.png")
    assert "encoder teacher: inert, its map shows no structure" in drawn[0]
