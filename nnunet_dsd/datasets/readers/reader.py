"""What a reader gives: the channels of one file and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, MisfitError, UnreadableError
from nnunet_dsd.datasets.geometry import Geometry

Kind = Literal["image", "labels"]
NAMED_IN = "`overwrite_image_reader_writer` in the dataset.json, or `image_reader_writer` in the plans"


@dataclass(frozen=True)
class Layout:
    """What a file says of itself: the geometry of one channel, and how many there are."""

    geometry: Geometry
    channels: int


@dataclass(frozen=True)
class Channels:
    """The channels of one file.

    Attributes:
        array: shape (C, Z, Y, X), or (C, Y, X) of a flat image, to which nnU-Net adds an axis of one voxel; numbers as
            in the file, which nnU-Net turns into float32.
        geometry: of each of them.
    """

    array: NDArray[Any]
    geometry: Geometry


Found = TypeVar("Found", Layout, Channels)


@dataclass(frozen=True)
class Reader:
    """One of nnU-Net's readers.

    Attributes:
        name: of nnU-Net's class.
        endings: of the files for which nnU-Net tries it where a data set names none.
        inspect_file: reads a file's layout alone.
        read_file: reads a file.
    """

    name: str
    endings: tuple[str, ...]
    inspect_file: Callable[[Path, Kind], Layout]
    read_file: Callable[[Path, Kind], Channels]

    def inspect(self, path: Path, kind: Kind = "image") -> Layout:
        """Read what a file says of itself, without its voxels where the format allows it.

        Args:
            path: the file.
            kind: what it is; the spacing file of a TIFF image is named without the channel's number.

        Raises:
            DataError: if the file is missing, or nnU-Net's reader would not read it.
            MisfitError: if it is of a kind that this reader does not read.
        """
        return self._checked(self.inspect_file, path, kind)

    def read(self, path: Path, kind: Kind = "image") -> Channels:
        """Read a file.

        Raises:
            DataError: if the file is missing or cut off, or nnU-Net's reader would not read it.
        """
        return self._checked(self.read_file, path, kind)

    def _checked(self, read: Callable[[Path, Kind], Found], path: Path, kind: Kind) -> Found:
        """Read a file; where nnU-Net takes this reader only because it is named, say that the name may not fit."""
        _require_file(path)
        try:
            return read(path, kind)
        except UnreadableError as error:
            if not self.endings or path.name.lower().endswith(self.endings):
                raise
            raise MisfitError(
                f"{path} could not be read by nnU-Net's {self.name}, which is for {', '.join(self.endings)} and is "
                f"named by {NAMED_IN}: take that entry out, or name another reader there. {error.said}"
            ) from error


def unreadable(path: Path, library: str, error: Exception) -> UnreadableError:
    """Return the error for a file that a library cannot read."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return UnreadableError(path, f"{library} says: {said}")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
