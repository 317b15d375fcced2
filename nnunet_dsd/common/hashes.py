"""Hashes that say whether files and weights are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def file_hash(path: Path) -> str:
    """Return SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def weights_hash(state: Mapping[str, Any], *, short: bool = False) -> str:
    """Return a hash over the names and values of all weights, in hexadecimal, independent of the file they are in.

    Args:
        state: Tensors by name, in any order.
        short: The 32 digits of BLAKE2b that checkpoints keep of their teachers, which leave out shapes and types;
            otherwise the 64 of SHA-256 that model files keep.
    """
    import torch  # too slow for the top of the file

    digest = hashlib.blake2b(digest_size=16) if short else hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update((name if short else f"{name} {values.dtype} {tuple(values.shape)}").encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
