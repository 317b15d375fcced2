"""The figure of the loss terms over the epochs, drawn next to nnU-Net's progress.png."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from nnunet_dsd.common.drawing import named_legend, new_figure, save_png
from nnunet_dsd.distillation.encoder_teacher import DICE_TERM, is_inert

OTHER = "other terms"
GROUPS = (
    ("ground truth", ("output", "labels", "decoder_", "encoder_", "fusion_"), "Dice + cross-entropy"),
    ("between encoders", ("encoder_kl_", "encoder_l2_"), "T² KL (nats) or L2"),
    ("between decoders", ("decoder_kl_", "decoder_l2_"), "T² KL (nats) or L2"),
    ("encoder teacher", ("encoder_teacher_",), "entropy (nats), Dice (fraction)"),
    ("decoders follow encoders", ("missu_kl_",), "KL (nats)"),
    ("feedback on features", ("ufd", "ifd_", "final", "feature_"), "attention distance (0 to 2)"),
    ("feedback on maps", ("upd", "ipd_", "map_", "output_kd"), "T² KL (nats)"),
    ("previous epoch", ("previous_epoch",), "squared distance"),
    (OTHER, (), ""),
)


def draw_loss_terms(terms: Mapping[str, Sequence[float]], filename: str | os.PathLike[str]) -> None:
    """Draw the unweighted loss terms by epoch, one panel per kind, and write the PNG whole.

    Terms of no known kind, as trainers of other packages may have, share a panel of their own.

    Args:
        terms: Values per epoch by term name.
        filename: Where to write.
    """
    panels = [(title, _members(terms, title), unit) for title, _, unit in GROUPS]
    with style.context("default"):  # nnU-Net's progress plot leaves huge fonts behind in the global style
        figure = _draw([panel for panel in panels if panel[1]])
        save_png(figure, Path(filename), dpi=110)


def _draw(panels: Sequence[tuple[str, Mapping[str, Sequence[float]], str]]) -> Figure:
    figure = new_figure(9, 2.6 * len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, members, unit) in zip(axes, panels, strict=True):
        for name, values in members.items():
            axis.plot(range(len(values)), values, marker="." if len(values) < 3 else None, label=name)
        inert = is_inert(members.get(DICE_TERM, ()))
        axis.set(title=f"{title}: inert, its map shows no structure" if inert else title, ylabel=unit)
        axis.grid(alpha=0.3)
        named_legend(axis, axis.lines, list(members), fontsize="small", ncols=2)
    axes[-1].set_xlabel("epoch")
    return figure


def _members(terms: Mapping[str, Sequence[float]], title: str) -> dict[str, Sequence[float]]:
    return {name: values for name, values in terms.items() if _group_of(name) == title}


def _group_of(name: str) -> str:
    matching = [(len(prefix), title) for title, prefixes, _ in GROUPS for prefix in prefixes if name.startswith(prefix)]
    return max(matching)[1] if matching else OTHER
