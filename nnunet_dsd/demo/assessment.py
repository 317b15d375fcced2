"""The demo's last steps but one: scores of the predictions, and their figures."""

from __future__ import annotations

from rich.table import Table

from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.evaluation.results import Evaluation, Summary

OVERLAY_CASES = 4


def assess(folder: DemoFolder) -> None:
    """Evaluate the predictions; write scores as CSV and JSON, and both figures."""
    from nnunet_dsd.evaluation.cases import evaluate_folders
    from nnunet_dsd.evaluation.export import write_csv, write_evaluation_json
    from nnunet_dsd.evaluation.structures import read_label_set

    label_set = read_label_set(folder.raw / "dataset.json")
    evaluation = evaluate_folders(folder.predictions, folder.raw / "labelsTs", label_set)
    write_csv(folder.scores_csv, evaluation)
    draw_figures(folder, evaluation)
    write_evaluation_json(folder.scores_json, evaluation)


def draw_figures(folder: DemoFolder, evaluation: Evaluation) -> None:
    """Draw overlays of the first test cases, and the scores of all."""
    from nnunet_dsd.common.drawing import save_png
    from nnunet_dsd.evaluation.figures import OverlayCase, overlay_figure, scores_figure
    from nnunet_dsd.evaluation.images import read_labels, read_volume

    rows = []
    for case in evaluation.cases[:OVERLAY_CASES]:
        reference = read_labels(label_path(folder.raw / "labelsTs", case))
        dice = ", ".join(f"{score.dice:.2f}" for score in evaluation.scores if score.case == case)
        rows.append(
            OverlayCase(
                name=case.replace("_", " "),
                image=read_volume(image_path(folder.raw / "imagesTs", case)).array,
                reference=reference.array,
                prediction=read_labels(label_path(folder.predictions, case)).array,
                spacing_mm=reference.geometry.array_spacing_mm,
                caption=f"Dice {dice}",
            )
        )
    save_png(overlay_figure(rows, evaluation.structures), folder.overlays)
    save_png(scores_figure(evaluation), folder.scores_figure)


def score_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """Return a row per structure: name, Dice, HD95, number of cases."""
    rows = []
    for structure in evaluation.structures:
        dice, distance = evaluation.dice_summary(structure.name), evaluation.hd95_summary(structure.name)
        cases = f"{dice.defined + dice.undefined}"
        rows.append((structure.name, _spread(dice, 3), f"{_spread(distance, 2)}{_undefined(distance)}", cases))
    return rows


def score_table(evaluation: Evaluation) -> Table:
    """Return the table of the terminal."""
    table = Table(title="test cases: mean ± standard deviation", title_justify="left")
    table.add_column("structure", style="bold")
    for heading in ("Dice", "HD95 (mm)", "cases"):
        table.add_column(heading, justify="right")
    for row in score_rows(evaluation):
        table.add_row(*row)
    return table


def _spread(summary: Summary, digits: int) -> str:
    return f"{summary.mean:.{digits}f} ± {summary.deviation:.{digits}f}"


def _undefined(summary: Summary) -> str:
    return f" ({summary.undefined} undefined)" if summary.undefined else ""
