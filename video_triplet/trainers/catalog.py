"""The trainers of this package, as the registry lists them. Light: imports no trainer and no torch."""

from __future__ import annotations

from nnunet_dsd.registry import TrainerEntry

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
