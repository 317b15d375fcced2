"""Images that are copies of others, found by their content, however they are named and compressed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from nnunet_dsd.datasets.nifti import unpacked

TRAILER_BYTES = 8  # gzip ends with a checksum and the size of what it holds


def copies_among(files: Mapping[str, Path], known: Mapping[str, Path]) -> dict[str, str]:
    """Return which files hold the same as a known one, by name; broken links and missing files are no copies.

    Args:
        files: By name.
        known: By name, of the same format.

    Raises:
        DataError: if a file that may be a copy cannot be read to its end.
    """
    by_mark: dict[bytes, list[str]] = {}
    for name, path in known.items():
        if path.is_file():
            by_mark.setdefault(_mark(path), []).append(name)
    found = {}
    for name, path in files.items():
        candidates = by_mark.get(_mark(path), []) if path.is_file() else []
        content = _content_hash(path) if candidates else ""
        if other := next((other for other in candidates if _content_hash(known[other]) == content), None):
            found[name] = other
    return found


def _mark(path: Path) -> bytes:
    """Return what equal contents have in common at no cost: gzip's own checksum, else the size."""
    size = path.stat().st_size
    if path.name.lower().endswith(".gz") and size > TRAILER_BYTES:
        with path.open("rb") as file:
            file.seek(-TRAILER_BYTES, os.SEEK_END)
            return file.read()
    return str(size).encode()


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    for part in unpacked(path):
        digest.update(part)
    return digest.hexdigest()
