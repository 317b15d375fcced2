"""Names are drawn as they are written, in every figure of both packages."""

import ast
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from nnunet_dsd.common.drawing import named_legend, new_figure, save_png

REPOSITORY = Path(__file__).parents[2]
SOURCES = [path for package in ("nnunet_dsd", "video_triplet") for path in (REPOSITORY / package).rglob("*.py")]
ODD = ("cost $5 to $6", "loss $5 {per$ y", r"$\notacommand$", "_hidden", "a_b^c", "50 % & #1 <b>|[bold]", "back\\slash")


def figure_of(names):
    """A figure with the names wherever figures have some."""
    figure = new_figure(6, 4)
    axis, other = figure.subplots(1, 2)
    lines = [axis.plot([0, 1], [place, place])[0] for place in range(len(names))]
    axis.set_yticks(range(len(names)), names)
    axis.set_title(names[0])
    other.barh(list(names), range(len(names)))
    figure.suptitle(names[1 % len(names)])
    figure.supxlabel(names[2 % len(names)])
    axis.annotate(names[0], (0.5, 0.5))
    legend = named_legend(axis, lines, names)
    return figure, legend


def test_no_name_is_set_as_mathematics_and_none_is_lost(tmp_path):
    figure, legend = figure_of(ODD)
    for ending in ("png", "svg", "pdf"):
        figure.savefig(tmp_path / f"figure.{ending}")
    assert not any(text.get_parse_math() for text in figure.findobj(Text))
    assert tuple(text.get_text() for text in legend.get_texts()) == ODD
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ODD)


def test_a_dollar_is_as_wide_as_it_is_printed():
    """Set as mathematics, `$$$$` would be an error, and `a$b$c` narrower by two signs than `a.b.c` with wide signs."""
    widths = []
    for name in ("a$b$c", "aSbSc"):
        figure = new_figure(3, 3)
        title = figure.suptitle(name, family="DejaVu Sans Mono")
        FigureCanvasAgg(figure).draw()
        widths.append(title.get_window_extent().width)
    assert widths[0] == pytest.approx(widths[1], abs=2)


def test_the_users_own_settings_do_not_bring_mathematics_back(tmp_path):
    with rc_context({"axes.formatter.use_mathtext": True, "text.usetex": True}):
        figure = new_figure(3, 3)
        figure.subplots().plot([0, 1e-6], [0, 1])
        save_png(figure, tmp_path / "figure.png")
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels
    assert not any("$" in label for label in labels)


def test_a_legend_without_handles_is_empty():
    assert named_legend(new_figure(2, 2), [], []).get_texts() == []


def test_a_figure_is_white_and_of_its_size(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_png(new_figure(2, 1), tmp_path / "figure.png", dpi=50)
    from matplotlib.image import imread

    image = imread(tmp_path / "figure.png")
    assert image.shape == (50, 100, 4)
    assert np.all(image == 1)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_figure_is_made_in_the_one_place_where_names_are_safe(path):
    called = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    if path.name not in ("plain_figures.py", "drawing.py"):
        assert not called & {"Figure", "PlainFigure", "legend"}
