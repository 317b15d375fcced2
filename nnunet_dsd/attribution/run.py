"""From a request to a folder: a figure per case, the maps as images, the numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.attribution.map_names import map_name
from nnunet_dsd.attribution.request import Request, check_request
from nnunet_dsd.common.files import whole_folder, write_rows

if TYPE_CHECKING:
    from nnunet_dsd.attribution.looking import LookedCase
    from nnunet_dsd.attribution.table import HeatRow

TABLE, MAPS = "gradcam.csv", "maps"


def run_gradcam(
    request: Request,
    *,
    done: Callable[[str], None] = lambda case: None,
    note: Callable[[str], None] = lambda text: None,
) -> list[HeatRow]:
    """Look at every case with every model and write the output folder, whole or not at all.

    Args:
        request: What is asked for.
        done: Told the name of every case that is finished.
        note: Told what the user should know of the models.

    Returns:
        The rows of `gradcam.csv`.

    Raises:
        SettingsError: with everything that is missing, unknown or does not go together.
        CheckpointError: if a checkpoint is broken, or of another configuration than its folder's name says.
    """
    inputs = check_request(request)  # before torch, nnU-Net and MONAI are loaded
    for text in inputs.notes:
        note(text)
    from nnunet_dsd.attribution.figure import heat_figure
    from nnunet_dsd.attribution.looking import load_models, look_at_case
    from nnunet_dsd.attribution.table import HeatRow, heat_rows
    from nnunet_dsd.common.drawing import save_png

    models = load_models(request)
    rows: list[HeatRow] = []
    with whole_folder(request.output) as partial:
        (partial / MAPS).mkdir()
        for files in inputs.cases:
            case = look_at_case(files, models, inputs)
            rows += heat_rows(case, inputs.structure, request.levels)
            save_png(heat_figure(case, inputs.structure, request.levels), partial / f"{case.name}.png")
            _write_maps(partial / MAPS, case, request.levels)
            done(case.name)
        write_rows(partial / TABLE, HeatRow, rows)
    return rows


def _write_maps(folder: Path, case: LookedCase, levels: tuple[str, ...]) -> None:
    from nnunet_dsd.attribution.patch import write_patch

    for sight in case.sights:
        for level, heat in zip(levels, sight.heat.maps or (), strict=False):
            write_patch(folder / map_name(case.name, sight.name, level), heat, sight.patch, case.geometry)
