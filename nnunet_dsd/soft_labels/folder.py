"""The folder of a set: its manifest, a file of planes and a record per case, and its images without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import torch
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, whole_file, write_json
from nnunet_dsd.common.json_files import Table, is_count, read_json
from nnunet_dsd.soft_labels.manifest import Manifest, read_manifest

PLANES = ".b2nd"
DISAGREEMENT = "_disagreement.b2nd"
RECORD = ".json"
# By benchmarks/soft_label_files.py.
COMPRESSION = {"codec": blosc2.Codec.ZSTD, "clevel": 5, "filters": [blosc2.Filter.SHUFFLE], "nthreads": 1}
DROPPED_BITS = 6  # of the disagreement's 10 binary places: it is then within 1/32 of itself
LEAST_DISAGREEMENT = 1e-4  # nats; below it is 0


@dataclass(frozen=True)
class CaseRecord:
    """What is known of a case's soft labels.

    Attributes:
        shape: Voxels per axis, as of its preprocessed image.
        disagreement: Mean divergence of a teacher from the mean of all, in nats, over the voxels where any of them
            sees a structure; 0 with one teacher.
        disagreement_everywhere: The same over all voxels.
        largest_error: Of a stored probability, against the exact mean.
        disk_bytes: What the planes take.
    """

    shape: tuple[int, ...]
    disagreement: float
    disagreement_everywhere: float
    largest_error: float
    disk_bytes: int


class SoftLabelSet:
    """A set of soft labels in its folder, which a manifest says all about.

    Args:
        folder: `nnUNet_preprocessed/DatasetNNN_NAME/soft_labels/NAME`.
        manifest: As read from there, or as it will be.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest, self.layout = folder, manifest, manifest.layout

    @classmethod
    def open(cls, folder: Path) -> SoftLabelSet:
        """Return the set in a folder.

        Raises:
            DataError: if there is none, or its manifest is broken.
        """
        return cls(folder, read_manifest(folder))

    @property
    def images(self) -> Path:
        """Where the preprocessed images without labels are, in nnU-Net's form."""
        return self.folder / "unlabelled"

    def path(self, case: str, ending: str) -> Path:
        """Return one of a case's files."""
        return self.folder / "cases" / f"{case}{ending}"

    def is_done(self, case: str) -> bool:
        """Return whether a case has its soft labels; its record is written last."""
        return self.path(case, RECORD).is_file()

    def missing(self) -> list[str]:
        """Return the cases that are not done."""
        return [case for case in self.manifest.cases if not self.is_done(case)]

    def write(
        self,
        case: str,
        probabilities: torch.Tensor,
        disagreement: torch.Tensor,
        means: tuple[float, float],
        *,
        blocks: Sequence[int],
        chunks: Sequence[int],
    ) -> CaseRecord:
        """Write what the teachers say of a case, every file as a whole and the record last.

        Args:
            case: Its name.
            probabilities: `(K, *S)`, the mean over its teachers.
            disagreement: `(*S)`, the mean divergence of a teacher from that mean, in nats.
            means: The mean disagreement where there are structures, and everywhere.
            blocks: Voxels per axis of what is compressed at once.
            chunks: Voxels per axis of what is stored at once.

        Raises:
            SetupError: if a file cannot be written, as on a full disk.
        """
        slabs = probabilities.split(1, dim=1)  # slice by slice: of many classes a whole copy more takes gigabytes
        encoded = [self.layout.encode(slab) for slab in slabs]
        pairs = zip(encoded, slabs, strict=True)
        error = max(float((self.layout.decode(planes) - exact).abs().max()) for planes, exact in pairs)
        planes = torch.cat(encoded, dim=1)
        target = self.path(case, PLANES)
        _write_array(target, planes.numpy(), (1, *blocks), (1, *chunks))
        _write_array(self.path(case, DISAGREEMENT), _coarse(disagreement).numpy(), tuple(blocks), tuple(chunks))
        record = CaseRecord(tuple(probabilities.shape[1:]), *means, error, target.stat().st_size)
        write_json(self.path(case, RECORD), dataclasses.asdict(record))
        return record

    def clear(self, cases: Iterable[str]) -> None:
        """Delete what killed processes left half written of some cases, which no other process may be writing."""
        files = {self.path(case, ending).name for case in cases for ending in (PLANES, DISAGREEMENT, RECORD)}
        for path in (self.folder / "cases").glob(f"{PARTIAL_PREFIX}*"):
            _, _, name = path.name.removeprefix(PARTIAL_PREFIX).partition("-")
            if name in files:
                path.unlink(missing_ok=True)

    def record(self, case: str) -> CaseRecord:
        """Return what is known of a case.

        Raises:
            DataError: if its record is missing or broken.
        """
        path = self.path(case, RECORD)
        cure = "finish the soft labels with the same command"
        content = read_json(path, broken=lambda reason: f"{path} cannot be read ({reason}); delete it, and {cure}")
        problems: list[str] = []
        table = Table(content, str(path), [spec.name for spec in dataclasses.fields(CaseRecord)], problems)
        numbers = {
            name: table.required(name, "a number of at least 0", _is_number, 0.0)
            for name in ("disagreement", "disagreement_everywhere", "largest_error")
        }
        shape = table.required("shape", "voxels per axis", _is_shape, (0,))
        record = CaseRecord(
            tuple(shape), **numbers, disk_bytes=table.required("disk_bytes", "bytes", lambda v: is_count(v), 0)
        )
        if problems:
            raise DataError(f"{'; '.join(problems)}. Delete it, and {cure}")
        return record

    def planes(self, case: str) -> Any:
        """Return a case's planes `(P, *S)`, read where they are indexed."""
        return blosc2.open(urlpath=str(self.path(case, PLANES)), mode="r", dparams={"nthreads": 1})

    def disagreeing(self, cases: Iterable[str], *, limit: float) -> list[str]:
        """Return those of the cases that the teachers disagree on by more than a limit, in nats."""
        return [case for case in cases if self.record(case).disagreement > limit]


def _coarse(disagreement: torch.Tensor) -> torch.Tensor:
    """Return nats in half precision, of which so few binary places are left that they compress."""
    kept = torch.where(disagreement < LEAST_DISAGREEMENT, 0.0, disagreement).half().view(torch.int16)
    return ((kept + (1 << (DROPPED_BITS - 1))) & -(1 << DROPPED_BITS)).view(torch.float16)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say that a file could not be written, where blosc2 says so in words of its own.

    Raises:
        SetupError: if an array could not be written.
    """
    try:
        yield
    except RuntimeError as error:
        raise SetupError(
            f"{path} could not be written ({error}): the disk is probably full. Make room and run the same command "
            "once more, which goes on where it was stopped"
        ) from error


def _write_array(path: Path, array: NDArray[Any], blocks: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    with whole_file(path) as temporary, writing(path):
        blosc2.asarray(
            np.ascontiguousarray(array),
            urlpath=str(temporary),
            mode="w",
            blocks=tuple(map(min, blocks, array.shape)),
            chunks=tuple(map(min, chunks, array.shape)),
            cparams=COMPRESSION,
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(is_count(size, 1) for size in value)
