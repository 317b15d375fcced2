"""A teacher that remembers: where patches come again unchanged, what it shows of them is computed once."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from nnunet_dsd.distillation.hierarchical import Place, Views
from nnunet_dsd.networks.feedback import TeacherNetwork

GIBIBYTE = 1024**3


class RememberingTeacher:
    """Keeps what a frozen teacher shows of each patch, in the computer's memory, until the limit is reached.

    A patch is recognised by its values. What is kept is never dropped, because training draws all cases alike.

    Args:
        teacher: The teacher, with what is asked of it.
        gibibytes: How much to keep.

    Raises:
        ValueError: if nothing is asked of the teacher.
    """

    def __init__(self, teacher: TeacherNetwork, *, gibibytes: float) -> None:
        if not teacher.asked:
            raise ValueError("say with teacher.ask() what the teacher is to show")
        self.teacher, self.places = teacher, teacher.asked
        self.limit_bytes = int(gibibytes * GIBIBYTE)
        self.kept_bytes = self.patches_known = self.patches_seen = 0
        self._kept: dict[bytes, dict[Place, Tensor]] = {}

    def __call__(self, images: Tensor) -> Views:
        """Return the teacher's places for images `(B, C, *S)`; the others are empty."""
        keys = [_fingerprint(image) for image in images]
        shown = {key: self._kept[key] for key in keys if key in self._kept}
        new = {key: position for position, key in enumerate(keys) if key not in shown}
        self.patches_seen += len(keys)
        self.patches_known += len(keys) - len(new)
        if new:
            views = self.teacher(images[list(new.values())])
            for row, key in enumerate(new):
                shown[key] = {place: place.of(views)[row] for place in self.places}
                self._keep(key, shown[key])
        return self._views({p: torch.stack([shown[key][p].to(images.device) for key in keys]) for p in self.places})

    def describe(self) -> str:
        """Return how many patches were known since the last time, and how much is kept."""
        text = (
            f"the teacher knew {self.patches_known} of {self.patches_seen} patches; {self.kept_bytes / GIBIBYTE:.2f} "
            f"of {self.limit_bytes / GIBIBYTE:.2f} GiB are used"
        )
        self.patches_known = self.patches_seen = 0
        return text

    def _keep(self, key: bytes, shown: dict[Place, Tensor]) -> None:
        size = sum(tensor.numel() * tensor.element_size() for tensor in shown.values())
        if self.kept_bytes + size <= self.limit_bytes:
            self._kept[key] = {place: tensor.to("cpu", copy=True) for place, tensor in shown.items()}
            self.kept_bytes += size

    def _views(self, shown: dict[Place, Tensor]) -> Views:
        counts, nothing = self.teacher.levels.counts, torch.empty(0)
        return Views(
            features=tuple(shown.get(Place("feature", i), nothing) for i in range(counts.features)),
            maps=tuple(shown.get(Place("map", i), nothing) for i in range(counts.maps)),
            output=shown.get(Place("output"), nothing),
        )


def _fingerprint(image: Tensor) -> bytes:
    values = image.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()
