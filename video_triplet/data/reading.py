"""Opens a data set of either official layout, recognised by its folders."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.errors import DataError
from video_triplet.data import cholect45, cholect50
from video_triplet.data.cholec80_phases import find_phase_folder
from video_triplet.data.videos import TripletDataset

LAYOUTS = (
    "CholecT50: labels/*.json and videos/VIDxx/*.png",
    "CholecT45: dict/*.txt, triplet/*.txt, instrument/*.txt, verb/*.txt, target/*.txt and data/VIDxx/*.png",
)


def open_dataset(path: Path, *, phases: Path | None = None) -> TripletDataset:
    """Read the labels of a data set and find its images; no image is opened.

    What could not be read is in the data set's `problems` and left out of its videos; `video_triplet.data.checking`
    reports it with everything that is wrong with the images.

    Args:
        path: The data set's folder, in the layout of CholecT50 (JSON) or CholecT45 (text).
        phases: For the text layout, which has no phases: the Cholec80 data set or its `phase_annotations`. Without it
            `phase_annotations` beside the labels is used where it exists.

    Raises:
        DataError: if the folder has neither layout or both, has no usable vocabulary or no readable video, if there are
            no phase files in `phases`, or if `phases` is given for the JSON layout, which has phases of its own.
    """
    layout = recognise(path)
    if layout == "cholect50":
        if phases is not None:
            raise DataError(f"{path} has phases in its label files; leave out the phases from {phases}")
        dataset = cholect50.read_cholect50(path)
    else:
        dataset = cholect45.read_cholect45(path, phases=None if phases is None else find_phase_folder(phases))
    if not dataset.videos:
        details = "".join(f"\n  - {problem.kind}: {problem.detail}" for problem in dataset.problems[:5])
        raise DataError(f"no video of {path} could be read:{details}")
    return dataset


def recognise(path: Path) -> str:
    """Return `"cholect50"` or `"cholect45"`.

    Raises:
        DataError: if the folder has neither layout, or both.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the folder of a data set")
    json_layout = any((path / cholect50.LABEL_FOLDER).glob("*.json"))
    text_layout = (path / cholect45.NAME_FOLDER).is_dir() and (path / "triplet").is_dir()
    if json_layout and text_layout:
        raise DataError(f"{path} has the folders of both layouts; keep each data set in a folder of its own")
    if not json_layout and not text_layout:
        there = ", ".join(sorted(entry.name for entry in path.iterdir())[:10]) or "nothing"
        expected = "".join(f"\n  - {layout}" for layout in LAYOUTS)
        raise DataError(f"{path} is in neither layout; it has {there}, and the layouts are:{expected}")
    return "cholect50" if json_layout else "cholect45"
