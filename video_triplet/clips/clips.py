"""What training and test see: clips of videos as torch datasets. The network normalises them itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as operations

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.clips.sampling import Box, ClipAugmentation, ClipShape, central_box, draw_clip
from video_triplet.clips.sources import ClipSource, refuse_missing
from video_triplet.clips.videos import ClipVideo

PAPER = ClipAugmentation()


class TrainingClips(Dataset[dict[str, Any]]):
    """One clip per video and epoch, from a random start, augmented.

    An item is a dict of `"clip"`, uint8 `(3, T, S, S)` RGB, `"label"`, int, and `"row"`, int. Random draws depend on
    seed, epoch and row alone, not on the number of workers.

    Attributes:
        videos: By row.
        shape: Of the clips.
    """

    def __init__(
        self,
        videos: Sequence[ClipVideo],
        source: ClipSource,
        *,
        frames: int = 16,
        stride: int = 1,
        size: int = 112,
        augmentation: ClipAugmentation | None = PAPER,
        seed: int = 0,
    ) -> None:
        """Take the videos; no pixel is read.

        Args:
            videos: Each once; all must be in `source`.
            source: Gives the frames.
            frames: Of one clip.
            stride: Between two of them.
            size: Height and width of a clip in pixels.
            augmentation: What a clip may go through; None for the central crop without flip.
            seed: Of starts and augmentation.

        Raises:
            DataError: if there is no video, one is given twice or is not in the source; or if without augmentation
                the source's frames are smaller than the clips.
            SettingsError: if a number is below 1.
        """
        refuse_missing(videos, source)
        self.videos = tuple(videos)
        self.shape = ClipShape(frames=frames, stride=stride, size=size)
        if augmentation is None:
            refuse_small_frames(source, size)
        self._source = source
        self._augmentation = augmentation
        self._seed = seed
        # Shared memory: workers that live on from epoch to epoch see a new epoch too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.videos)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random draws the next items go through; call it before iterating over a loader."""
        self._epoch.fill_(epoch)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = range(len(self.videos))[row]
        video, shape = self.videos[row], self.shape
        length = self._source.length(video.name)
        drawn = draw_clip(
            self._augmentation,
            starts=shape.starts(length),
            frame=self._source.size,
            size=shape.size,
            seed=self._seed,
            epoch=int(self._epoch),
            row=row,
        )
        frames = self._source.read(video.name, shape.indices(drawn.start, length))
        clip = cut_out(frames, drawn.box, shape.size, horizontal_flip=drawn.horizontal_flip)
        return {"clip": clip, "label": video.label, "row": row}


class TestClips(Dataset[dict[str, Any]]):
    """Evenly spaced clips of each video, the centre of each frame; nothing is random.

    An item is a dict of `"clips"`, uint8 `(clips, 3, T, S, S)` RGB, `"label"`, int, and `"row"`, int.

    Attributes:
        videos: By row.
        shape: Of the clips.
    """

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(
        self,
        videos: Sequence[ClipVideo],
        source: ClipSource,
        *,
        frames: int = 16,
        stride: int = 1,
        clips: int = 10,
        size: int = 112,
    ) -> None:
        """Take the videos; no pixel is read.

        Args:
            videos: Each once; all must be in `source`.
            source: Gives the frames.
            frames: Of one clip.
            stride: Between two of them.
            clips: Per video.
            size: Height and width of a clip in pixels.

        Raises:
            DataError: if there is no video, one is given twice or is not in the source; or if the source's frames are
                smaller than the clips.
            SettingsError: if a number is below 1.
        """
        refuse_missing(videos, source)
        self.videos = tuple(videos)
        self.shape = ClipShape(frames=frames, stride=stride, size=size)
        if clips < 1:
            raise SettingsError([f"clips is {clips}, it must be at least 1"], source="the clips of a test")
        refuse_small_frames(source, size)
        self._source = source
        self._clips = clips

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = range(len(self.videos))[row]
        video, shape = self.videos[row], self.shape
        length = self._source.length(video.name)
        indices = [shape.indices(start, length) for start in shape.even_starts(length, self._clips)]
        frames = self._source.read(video.name, np.concatenate(indices))
        box = central_box(self._source.size, (shape.size, shape.size))
        parts = cut_out(frames, box, shape.size).unflatten(1, (self._clips, shape.frames))
        return {"clips": parts.movedim(1, 0).contiguous(), "label": video.label, "row": row}


def cut_out(frames: NDArray[np.uint8], box: Box, size: int, *, horizontal_flip: bool = False) -> Tensor:
    """Cut the same part out of every frame and resize it, bilinear with antialias.

    Args:
        frames: `(T, H, W, 3)` uint8.
        box: Top, left, height and width in pixels.
        size: Height and width of the result.
        horizontal_flip: Mirror left and right afterwards.

    Returns:
        `(3, T, size, size)` uint8.
    """
    top, left, height, width = box
    part = torch.from_numpy(np.ascontiguousarray(frames[:, top : top + height, left : left + width]))
    images = part.permute(0, 3, 1, 2)
    if (height, width) != (size, size):
        images = operations.resize(images, [size, size], antialias=True)
    if horizontal_flip:
        images = operations.horizontal_flip(images)
    return images.transpose(0, 1).contiguous()


def refuse_small_frames(source: ClipSource, size: int) -> None:
    """Raise `DataError` if the centre of a source's frames is not as large as the clips."""
    height, width = source.size
    if min(height, width) < size:
        raise DataError(
            f"frames are {height} x {width} pixels, too small for a central crop of {size}; read or cache them larger, "
            "for example with `video-triplet prepare-clips --size HEIGHT WIDTH`"
        )
