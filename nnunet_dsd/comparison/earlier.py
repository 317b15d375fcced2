"""What is in a comparison's folder already: checked before anything is computed, so without figures' libraries."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, require_writable
from nnunet_dsd.common.json_files import json_or_none
from nnunet_dsd.comparison.export import MADE_BY

RESULTS, REPORT = "comparison.json", "report.html"
EARLIER = "earlier-"  # begins the name of a comparison that was moved away


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder may be written; what a killed process left of an earlier call is put in order first.

    Raises:
        SetupError: if it cannot be made or written to, holds anything but an earlier comparison, or holds one that must
            not be replaced.
    """
    require_writable(folder)
    require_writable(folder.parent)  # where it is made, and put in its place when it is whole
    clear_up(folder)
    if not holds_something(folder):
        return
    ours = _files_of_earlier(folder)
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if foreign:
        raise SetupError(
            f"{folder} holds what is not of a comparison, for example {foreign[0]}; it is left alone. "
            "Give an empty or new folder with -o."
        )
    if not overwrite:
        raise SetupError(f"{folder} holds an earlier comparison; replace it with --overwrite, or give another with -o.")


def clear_up(folder: Path) -> None:
    """Delete the comparison that was moved away; where a kill left no new one in its place, it comes back instead."""
    for aside in folder.parent.glob(f"{PARTIAL_PREFIX}*"):
        process, _, name = aside.name.removeprefix(PARTIAL_PREFIX).partition("-")
        if not process.isdecimal() or name != EARLIER + folder.name:
            continue
        if not holds_something(folder) and _is_whole(aside):
            os.replace(aside, folder)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(folder.with_name(f"{PARTIAL_PREFIX}{process}-{folder.name}"), ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    files = _files_of_earlier(folder)
    return bool(files) and all((folder / name).exists() for name in files)


def holds_something(folder: Path) -> bool:
    """Tell whether a folder is there and not empty, or is a file."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _files_of_earlier(folder: Path) -> set[str]:
    """Names of the files of the comparison that a folder holds; none if it holds another thing."""
    content = json_or_none(folder / RESULTS)
    try:
        return set(content["files"]) if content["made_by"] == MADE_BY else set()
    except (KeyError, TypeError):
        return set()
