"""What a training step sees: one item per labelled frame, augmented by its row and epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.data.augmentation import PRESETS, Augmentation, draw_for
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.pixels import apply_draw
from video_triplet.data.videos import Video
from video_triplet.vocabulary import Head

Targets = Mapping[Head, NDArray[np.float32]]


class TripletFrames(Dataset[dict[str, Any]]):
    """The labelled frames of some videos.

    An item is a dict of `"image"`, uint8 `(3, S, S)` RGB, which the network normalises itself; of each head's target by
    its name, float32 `(classes,)`; and of `"row"`, int.

    Attributes:
        rows: Video and frame number of each row, in the order of the videos and their frames.
        heads: The heads whose targets an item holds.
        targets: For each of them `(N, classes)` float32.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        source: FrameSource,
        heads: Sequence[Head],
        *,
        targets: Targets | None = None,
        augmentation: Augmentation = PRESETS["none"],
        seed: int = 0,
    ) -> None:
        """Collect the rows and their targets; no pixel is read.

        Args:
            videos: Each once; every frame of theirs must be in `source`.
            source: Gives the pixels.
            heads: Which targets an item holds.
            targets: For each head `(N, classes)`, such as soft labels, in the order of the videos and their frames;
                None takes the videos' labels.
            augmentation: What a frame may go through.
            seed: Of the augmentation.

        Raises:
            DataError: if frames are not in the source (with their count), a video is given twice, or a video lacks
                labels of a head.
            ShapeError: if given targets do not have one row per frame.
        """
        self.rows = [(video.name, frame) for video in videos for frame in video.frames.tolist()]
        self.heads = tuple(heads)
        self._source = source
        _check_rows(self.rows, source)
        self.targets = _labels(videos, self.heads) if targets is None else _checked(targets, self.heads, len(self.rows))
        self._augmentation = augmentation
        self._seed = seed
        # Shared memory: workers that live on from epoch to epoch see a new epoch too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random draws the next items go through; call it before iterating over a loader."""
        self._epoch.fill_(epoch)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = range(len(self.rows))[row]
        video, frame = self.rows[row]
        image = torch.from_numpy(self._source.read(video, frame)).permute(2, 0, 1).contiguous()
        drawn = draw_for(self._augmentation, seed=self._seed, epoch=int(self._epoch), row=row)
        targets: dict[str, Tensor] = {head: torch.tensor(self.targets[head][row]) for head in self.heads}
        return {"image": apply_draw(image, drawn), **targets, "row": row}


def _check_rows(rows: Sequence[tuple[str, int]], source: FrameSource) -> None:
    if not rows:
        raise DataError("there is no frame in these videos; choose videos that have labelled images")
    if len(set(rows)) < len(rows):
        raise DataError(
            f"{counted(len(rows) - len(set(rows)), 'frame is', 'frames are')} there twice; give each video once"
        )
    missing = [row for row in rows if not source.has(*row)]
    if missing:
        video, frame = missing[0]
        raise DataError(
            f"{len(missing)} of {len(rows)} labelled frames have no image, first: {video} frame {frame}; complete the "
            "data set or its cache, or leave them out with `only_frames_of`"
        )


def _labels(videos: Sequence[Video], heads: Sequence[Head]) -> dict[Head, NDArray[np.float32]]:
    for video in videos:
        absent = [head for head in heads if head not in video.labels]
        if absent:
            raise DataError(f"{video.name} has no labels for {', '.join(absent)}; choose other heads or videos")
    return {head: np.concatenate([video.labels[head] for video in videos]).astype(np.float32) for head in heads}


def _checked(targets: Targets, heads: Sequence[Head], rows: int) -> dict[Head, NDArray[np.float32]]:
    absent = [head for head in heads if head not in targets]
    if absent:
        raise DataError(f"there are no targets for {', '.join(absent)}; there are for {', '.join(targets) or 'none'}")
    for head in heads:
        if targets[head].ndim != 2 or len(targets[head]) != rows:
            raise ShapeError(f"the targets of {head} are {targets[head].shape}, they must be ({rows}, classes)")
    return {head: np.ascontiguousarray(targets[head], dtype=np.float32) for head in heads}
