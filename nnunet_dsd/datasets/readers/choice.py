"""Which of nnU-Net's readers reads a data set: the one that is named, or the first that can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError, MisfitError
from nnunet_dsd.datasets.readers import nibabel_files, pictures, simpleitk, tiff
from nnunet_dsd.datasets.readers.reader import Kind, Reader

OVERWRITE_KEY = "overwrite_image_reader_writer"  # in dataset.json
PLANS_KEY = "image_reader_writer"  # in plans
# In the order in which nnU-Net tries them; those without endings are used where a data set names them alone.
READERS = (
    Reader(pictures.NAME, (".png", ".bmp", ".tif"), pictures.inspect, pictures.read),
    Reader(simpleitk.NAME, (".nii.gz", ".nrrd", ".mha", ".gipl"), simpleitk.inspect, simpleitk.read),
    Reader(tiff.NAME, tiff.ENDINGS, tiff.inspect, tiff.read),
    Reader(nibabel_files.NAME, (".nii", ".nii.gz"), nibabel_files.inspect, nibabel_files.read),
    Reader(
        f"{nibabel_files.NAME}WithReorient",
        (".nii", ".nii.gz"),
        nibabel_files.inspect_reoriented,
        nibabel_files.read_reoriented,
    ),
    Reader(simpleitk.NAME_REORIENTED, (), simpleitk.inspect_reoriented, simpleitk.read_reoriented),
)


def named_reader(name: Any) -> Reader | None:
    """Return the reader of a name in a dataset.json or in plans; None where none is named.

    Raises:
        DataError: if it is not one of nnU-Net's own, of which it is not known how they read.
    """
    if name is None or name == "None":
        return None
    for reader in READERS:
        if reader.name == name:
            return reader
    known = ", ".join(reader.name for reader in READERS)
    raise DataError(f"The image reader {name!r} is not one that is known here; known are nnU-Net's {known}.")


def choose_reader(file_ending: str, example: Path, kind: Kind = "image") -> Reader:
    """Return the reader that nnU-Net chooses where a data set names none: the first for the ending that can read.

    Where none can, it is the first that reads this kind of file, else the first for the ending; it then says what is
    wrong with the file.

    Raises:
        DataError: if nnU-Net has none for the ending.
    """
    candidates = [reader for reader in READERS if file_ending.lower() in reader.endings]
    if not candidates:
        endings = ", ".join(sorted({ending for reader in READERS for ending in reader.endings}))
        raise DataError(
            f"nnU-Net has no image reader for the ending {file_ending!r}; it has for {endings}. For another format "
            f'that SimpleITK reads, write "{OVERWRITE_KEY}": "SimpleITKIO" into the dataset.json.'
        )
    fitting = []
    for reader in candidates:
        try:
            reader.inspect(example, kind)
        except MisfitError:
            continue
        except DataError:
            fitting.append(reader)
            continue
        return reader
    return (fitting or candidates)[0]


def reader_of_file(path: Path, kind: Kind = "image") -> Reader:
    """Return the reader that nnU-Net chooses for one file by itself.

    Raises:
        DataError: if nnU-Net has none for its ending.
    """
    endings = {ending for reader in READERS for ending in reader.endings}
    matching = [ending for ending in endings if path.name.lower().endswith(ending)]
    return choose_reader(max(matching, key=len, default="".join(path.suffixes[-1:])), path, kind)
