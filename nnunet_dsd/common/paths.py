"""Folders and files that must be there, asked for before anything costly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnunet_dsd.common.errors import DataError


def require_paths(*, folders: Mapping[str, Path | None], files: Mapping[str, Path | None]) -> None:
    """Refuse paths that are not there.

    Args:
        folders: By the option or argument that names them; None where it was not given.
        files: The same.

    Raises:
        DataError: with all of them.
    """
    missing = [(name, path, "folder") for name, path in folders.items() if path and not path.is_dir()]
    missing += [(name, path, "file") for name, path in files.items() if path and not path.is_file()]
    if missing:
        raise DataError("; ".join(f"{name} {path}: {_fault(path, what)}" for name, path, what in missing))


def _fault(path: Path, what: str) -> str:
    return f"this is no {what}" if path.exists() else f"there is no such {what}"
