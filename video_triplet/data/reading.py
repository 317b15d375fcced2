"""Opens a data set of one of three layouts, recognised by its folders and files."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.data import cholect45, cholect50, frames_csv
from video_triplet.data.cholec80_phases import find_phase_folder
from video_triplet.data.videos import TripletDataset

LAYOUTS = (
    "CholecT50: labels/*.json and videos/VIDxx/*.png",
    "CholecT45: dict/*.txt, triplet/*.txt, instrument/*.txt, verb/*.txt, target/*.txt and data/VIDxx/*.png",
    "frames with any classes: frames.csv (video,frame,image,labels) and its images",
)


def open_dataset(path: Path, *, phases: Path | None = None) -> TripletDataset:
    """Read the labels of a data set and find its images; no image is opened.

    What could not be read is in the data set's `problems` and left out of its videos; `video_triplet.data.checking`
    reports it with everything that is wrong with the images.

    Args:
        path: The data set's folder, in the layout of CholecT50 (JSON) or CholecT45 (text), or with a `frames.csv`.
        phases: For the text layout, which has no phases: the Cholec80 data set or its `phase_annotations`. Without it
            `phase_annotations` beside the labels is used where it exists.

    Raises:
        DataError: if the folder has none of the layouts or several, has no usable vocabulary or no readable video, if
            there are no phase files in `phases`, or if `phases` is given for a layout that has phases of its own.
    """
    layout = recognise(path)
    if layout == "cholect50":
        if phases is not None:
            raise DataError(f"{path} has phases in its label files; leave out the phases from {phases}")
        dataset = cholect50.read_cholect50(path)
    elif layout == "csv":
        if phases is not None:
            raise DataError(f"{path} has its phases in {frames_csv.TABLE}; leave out the phases from {phases}")
        dataset = frames_csv.read_frames_csv(path)
    else:
        dataset = cholect45.read_cholect45(path, phases=None if phases is None else find_phase_folder(phases))
    if not dataset.videos:
        details = "".join(f"\n  - {problem.kind}: {problem.detail}" for problem in dataset.problems[:5])
        raise DataError(f"no video of {path} could be read:{details}")
    return dataset


def recognise(path: Path) -> str:
    """Return `"cholect50"`, `"cholect45"` or `"csv"`.

    Raises:
        DataError: if the folder has none of the layouts, or several.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the folder of a data set")
    layouts = {
        "cholect50": any((path / cholect50.LABEL_FOLDER).glob("*.json")),
        "cholect45": (path / cholect45.NAME_FOLDER).is_dir() and (path / "triplet").is_dir(),
        "csv": (path / frames_csv.TABLE).is_file(),
    }
    found = [name for name, there in layouts.items() if there]
    if len(found) > 1:
        raise DataError(f"{path} has several layouts ({', '.join(found)}); keep each data set in a folder of its own")
    if not found:
        there = ", ".join(sorted(entry.name for entry in path.iterdir())[:10]) or "nothing"
        expected = "".join(f"\n  - {layout}" for layout in LAYOUTS)
        raise DataError(f"{path} is in none of the layouts; it has {there}, and the layouts are:{expected}")
    return found[0]
