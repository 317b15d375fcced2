"""One way to part a data set's videos into training, validation and test, and the check that nothing leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

from nnunet_dsd.common.errors import DataError
from video_triplet.data.provenance import LeakError
from video_triplet.data.videos import TripletDataset

Protocol = Literal["inner", "test-fold", "official-loader", "official-figure", "official", "own"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Names of the videos for one training.

    Attributes:
        name: Of the family of splits, such as `"cholect45-crossval"` or `"k-fold"`.
        fold: Its number, from 1; 1 where there is only one.
        training: Videos whose labels train the model.
        validation: Videos whose labels choose the checkpoint.
        test: Videos whose labels measure the result.
        protocol: Where the validation videos come from:
            `"inner"`: whole videos set apart from the training folds by `inner_validation`; nothing leaks.
            `"test-fold"`: they *are* the test videos, as the authors of the published method did it: the checkpoint is
            chosen on the fold that is then reported, so the result is too good.
            `"official-loader"`: the last five videos of the concatenated training folds, as the data sets' loader does.
            `"official-figure"`: the first five videos of the fold that follows, as the data sets' figure shows. (Its
            legend says four for CholecT45, which does not add up to 45 with 31 for training and 9 for test.)
            `"official"`: the split comes with its own.
            `"own"`: the user's file says so.
    """

    name: str
    fold: int
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    protocol: Protocol

    def to_json(self) -> dict[str, Any]:
        """Return an entry of `folds` of a split file."""
        videos = {part: list(getattr(self, part)) for part in PARTS}
        return {"fold": self.fold, "protocol": self.protocol, **videos}


def check_split(split: Split, dataset: TripletDataset | None = None, *, allow_test_fold: bool = False) -> None:
    """Refuse a split that leaks or that the data set cannot provide; everything wrong is said at once.

    Args:
        split: The split.
        dataset: Must have every video of the split; None leaves that out.
        allow_test_fold: Whether validation may be the test videos, with a split of the protocol `"test-fold"`.

    Raises:
        LeakError: if a video is in two parts, and not only because of `allow_test_fold`.
        DataError: if a part is empty, names a video twice, or names one that the data set does not have.
    """
    refuse(
        leaks(split, allow_test_fold=allow_test_fold), faults(split, dataset), source=f"{split.name}, fold {split.fold}"
    )


def refuse(leaks: Sequence[str], faults: Sequence[str], *, source: str) -> None:
    """Raise what `check_split` raises, if there is anything.

    Raises:
        LeakError: if there are leaks; faults are listed with them.
        DataError: if there are only faults.
    """
    if leaks or faults:
        listed = "\n".join(f"  - {text}" for text in (*leaks, *faults))
        error = LeakError if leaks else DataError
        raise error(f"{source} cannot be used:\n{listed}")


def leaks(split: Split, *, allow_test_fold: bool) -> list[str]:
    """Return one sentence for each pair of parts that share videos."""
    found = []
    for one, other in combinations(PARTS, 2):
        shared = [video for video in getattr(split, one) if video in getattr(split, other)]
        if not shared:
            continue
        if (one, other) == ("validation", "test") and split.protocol == "test-fold":
            if set(split.validation) == set(split.test) and allow_test_fold:
                continue
            found.append(
                "validation on the test fold chooses the checkpoint on the videos that are then reported; if you want "
                "the published method's protocol, ask for 'test-fold' by name, with the same videos in both parts"
            )
        else:
            found.append(f"{', '.join(shared)} in both {one} and {other}")
    return found


def faults(split: Split, dataset: TripletDataset | None) -> list[str]:
    """Return one sentence for everything wrong that is no leak."""
    found = []
    for part in PARTS:
        videos = getattr(split, part)
        if not videos:
            found.append(f"{part} has no video")
        found += [f"{video} is twice in {part}" for video in dict.fromkeys(videos) if videos.count(video) > 1]
        missing = [] if dataset is None else [video for video in dict.fromkeys(videos) if video not in dataset.videos]
        if missing:
            found.append(f"{part} has {', '.join(missing)}, which the data set lacks")
    return found
