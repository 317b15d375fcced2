"""Folders that belong to one study or demo: what else they hold is left alone, and two of them are not mixed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import json_or_none


def refuse_foreign_folder(root: Path, marker: Path, *, what: str) -> None:
    """Refuse a folder that holds something and no marker.

    Raises:
        SetupError: with `what` it does not hold.
    """
    if root.is_dir() and any(root.iterdir()) and not marker.is_file():
        raise SetupError(f"{root} holds something that is {what}; choose another folder with -o")


def claim_folder(root: Path, marker_name: str, settings: Mapping[str, Any], *, restart: bool) -> None:
    """Mark a folder as that of a demo with these settings, or refuse it.

    Args:
        root: The folder; made if it is not there.
        marker_name: Of the file that says whose it is.
        settings: What JSON can hold; tuples are lists there.
        restart: Whether to delete what an earlier run of the same demo left there.

    Raises:
        SetupError: if it holds something else, or a demo of other settings.
    """
    marker, wanted = root / marker_name, json.loads(json.dumps(settings))
    refuse_foreign_folder(root, marker, what="not this demo's")
    if restart and marker.is_file():
        shutil.rmtree(root)
    if marker.is_file() and json_or_none(marker) != wanted:
        raise SetupError(f"{root} holds a demo of other settings; add --restart to delete it, or choose another folder")
    write_json(marker, wanted)
