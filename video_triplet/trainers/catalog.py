"""The trainers of this package, as the registry lists them. Light: imports no trainer and no torch."""

from __future__ import annotations

from typing import Literal, TypeVar

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.registry import TrainerEntry, find_trainer

Trainer = TypeVar("Trainer")
PAPER = "Yamlahi et al., Self-distillation for Surgical Action Recognition, MICCAI 2023"
SUMMARIES = {
    "SwinTripletTeacher": "Swin-B on hard labels, triplets only (SwinT)",
    "SwinTripletStudent": "Swin-B on soft labels, triplets only (SwinT+SelfD)",
    "SwinTripletMultiTaskTeacher": "Swin-B on hard labels, with instrument, verb and target (SwinT+MultiT)",
    "SwinTripletMultiTaskStudent": "Swin-B on soft labels, with instrument, verb and target (SwinT+MultiT+SelfD)",
    "SwinTripletPhaseTeacher": "Swin-B on hard labels, with instrument, verb, target and phase",
    "SwinTripletPhaseStudent": "Swin-B on soft labels, with instrument, verb, target and phase",
    "SwinTripletLargeTeacher": "Swin-L on hard labels, with instrument, verb and target",
    "SwinTripletLargeStudent": "Swin-L on smoothed soft labels, with instrument, verb and target",
}
CLIP_PAPER = (
    "Zhou et al., Preserve Pre-trained Knowledge: Transfer Learning with Self-distillation for Action Recognition"
)
CLIP_SUMMARIES = {
    "ClipFineTuning": "a clip classifier, cross-entropy alone",
    "ClipFineTuningEpochSD": "a clip classifier, its features held near those of the epoch before",
}
TRIPLET_ENTRIES = tuple(
    TrainerEntry(name=name, target=f"video_triplet.trainers.recipes:{name}", kind="video", summary=summary, paper=PAPER)
    for name, summary in SUMMARIES.items()
)
CLIP_ENTRIES = tuple(
    TrainerEntry(
        name=name, target=f"video_triplet.trainers.clips:{name}", kind="video", summary=summary, paper=CLIP_PAPER
    )
    for name, summary in CLIP_SUMMARIES.items()
)


ENTRIES = (*TRIPLET_ENTRIES, *CLIP_ENTRIES)


def load_trainer(name: str, what: Literal["triplets", "clips"], base: type[Trainer]) -> type[Trainer]:
    """Return the class of a registered trainer for these videos, which is one of `base`.

    Raises:
        RegistryError: if there is no trainer of that name.
        DataError: if it is one for something else.
    """
    require_video_trainer(name, what)
    loaded: type = find_trainer(name).load()
    if not issubclass(loaded, base):
        raise _is_for_something_else(name, what)
    return loaded


def require_video_trainer(name: str, what: Literal["triplets", "clips"]) -> None:
    """Refuse a name that is not that of a trainer for these videos, as far as the registry knows, without loading it.

    Raises:
        RegistryError: if there is no trainer of that name.
        DataError: if it is one for something else.
    """
    others = CLIP_ENTRIES if what == "triplets" else TRIPLET_ENTRIES
    if find_trainer(name).kind != "video" or name in {entry.name for entry in others}:
        raise _is_for_something_else(name, what)


def _is_for_something_else(name: str, what: str) -> DataError:
    return DataError(f"{name} is not a trainer for {what}; `video-triplet list` shows those")
