"""What NIfTI files say of themselves, which SimpleITK fills up without a word where it is missing."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

from nnunet_dsd.graphs.runtime.folders import DeployedModelError

NIFTI = (".nii.gz", ".nii")
HEADER_BYTES = 348
BLOCK = 2**20


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file that ends too early or does not say how large its voxels are; others are left alone.

    SimpleITK reads what is missing of a file as 0, and a voxel's edge of 0 as 1 mm.

    Raises:
        DeployedModelError: naming the file.
    """
    if not path.name.endswith(NIFTI):
        return
    try:
        header, size = _header_and_size(path)
    except (OSError, EOFError, zlib.error) as error:
        raise DeployedModelError(f"{path} is damaged or ends too early ({error}); copy it again") from error
    if len(header) < HEADER_BYTES:
        raise DeployedModelError(f"{path} is no NIfTI file; copy it again")
    order = "<" if struct.unpack("<i", header[:4])[0] == HEADER_BYTES else ">"
    if struct.unpack(f"{order}i", header[:4])[0] != HEADER_BYTES:
        return  # NIfTI-2, which SimpleITK refuses or reads by itself
    sizes = struct.unpack(f"{order}8h", header[40:56])
    bits = struct.unpack(f"{order}h", header[72:74])[0]
    edges = struct.unpack(f"{order}8f", header[76:108])[1 : 1 + min(sizes[0], 3)]
    start = struct.unpack(f"{order}f", header[108:112])[0]
    if not all(math.isfinite(edge) and edge > 0 for edge in edges):
        raise DeployedModelError(f"{path}: its voxels are {edges} mm; write the right spacing into its file")
    if size < int(start) + math.prod(sizes[1 : 1 + sizes[0]]) * bits // 8:
        raise DeployedModelError(f"{path} ends too early, some of its voxels are missing; copy it again")


def _header_and_size(path: Path) -> tuple[bytes, int]:
    """Return the header, and the bytes of the whole file, unpacked."""
    if not path.name.endswith(".gz"):
        with path.open("rb") as file:
            return file.read(HEADER_BYTES), path.stat().st_size
    with gzip.open(path) as packed:
        header = packed.read(HEADER_BYTES)
        size = len(header)
        while block := packed.read(BLOCK):
            size += len(block)
    return header, size
