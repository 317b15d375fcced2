"""The demo's report: scores, figures and the commands, in one HTML file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.files import write_text
from nnunet_dsd.common.report_page import cards, code, page, paragraph, picture, section, table
from nnunet_dsd.steps.step import Step

if TYPE_CHECKING:
    from video_triplet.demo.pipeline import DemoFolder, DemoSettings

FIGURES = {
    "per_video.png": "Video mAP of each test video for each configuration, sorted by the ensemble, and its spread.",
    "label_distribution.png": "How much label each triplet has: hard labels, and the teacher's soft labels.",
}


def write_report(folder: DemoFolder, settings: DemoSettings, steps: Sequence[Step], *, seconds: float) -> None:
    """Write `report.html` from the files of the finished steps."""
    rows = json.loads((folder.runs / "table.json").read_text(encoding="utf-8"))
    lines = "\n".join(step.shell_line for step in steps if step.command)
    body = [
        "<h1>Self-distillation for surgical action triplets: the demo</h1>",
        paragraph(
            f"{settings.videos} rendered videos of {settings.frames} frames, {settings.folds} folds, a Swin "
            "Transformer of less than a million weights, from scratch and without augmentation. It shows that "
            "everything works; its numbers say nothing about surgery.",
            soft=True,
        ),
        cards(headline(rows, seconds)),
        section("Cross-validation", scores_table(rows), paragraph("Percent, means over folds.", soft=True)),
        section("Figures", *figures(folder.analysis), paragraph(similarity_sentence(folder.analysis))),
        section("The commands", code(lines)),
    ]
    write_text(folder.report, page("video-triplet demo", body))


def headline(rows: list[dict[str, Any]], seconds: float) -> list[tuple[str, str]]:
    """Return what to see first."""
    by_name = {row["name"]: row for row in rows}
    teacher, student = by_name["SwinT"]["mean_ap"]["ivt"], by_name["SwinT+SelfD"]["mean_ap"]["ivt"]
    return [
        ("triplet mAP of the teachers", f"{percent(teacher)} %"),
        ("of their students", f"{percent(student)} %"),
        ("of the ensemble", f"{percent(rows[-1]['mean_ap']['ivt'])} %"),
        ("this run of the demo", f"{math.floor(seconds / 60)}:{seconds % 60:02.0f} min"),
    ]


def scores_table(rows: list[dict[str, Any]]) -> str:
    """Return mAP of triplets and components, and top-5, per configuration."""
    components = ("ivt", "i", "v", "t", "iv", "it")
    cells = [
        [row["name"], *(percent(row["mean_ap"][component]) for component in components), percent(row["top_5"])]
        for row in rows
    ]
    return table(["configuration", *(f"mAP {component}" for component in components), "top-5"], cells)


def percent(value: float | None) -> str:
    """Return a number as text, or a dash where there is none."""
    return "-" if value is None else f"{value:.1f}"


def similarity_sentence(folder: Path) -> str:
    """Return how similar the soft labels' likeliest triplets are to the reference, as in Sect. 3 of the paper."""
    found = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))["similarity"]
    soft, random = found["soft"], found["random"]
    return (
        f"The five likeliest other triplets of a soft label have {soft['mean']:.2f} components in common with the "
        f"reference (95 % confidence {soft['low']:.2f} to {soft['high']:.2f}); five triplets drawn at random by "
        f"prevalence have {random['mean']:.2f} ({random['low']:.2f} to {random['high']:.2f})."
    )


def figures(folder: Path) -> list[str]:
    """Return every figure of the analysis, those with a caption of their own first."""
    named = [picture(folder / name, caption) for name, caption in FIGURES.items()]
    others = [path for path in sorted(folder.rglob("*.png")) if path.name not in FIGURES]
    return [*named, *(picture(path, path.stem.replace("_", " ")) for path in others)]
