"""The trainers of this package, as the registry lists them. Light: imports no trainer and no torch."""

from __future__ import annotations

from nnunet_dsd.registry import TrainerEntry

DSD_PAPER = (
    "Volumetric medical image segmentation through dual self-distillation in U-shaped networks, IEEE Transactions on "
    "Biomedical Engineering, 2025"
)
NNUNET_PAPER = (
    "Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, "
    "Nature Methods, 2021"
)
SUMMARIES = {
    "nnUNetTrainerDSD": "dual self-distillation: the deepest encoder and the deepest decoder teach the shallower ones",
    "nnUNetTrainerDS": "deep supervision at full resolution only, no distillation (alpha = beta = 0)",
    "nnUNetTrainerSDD": "self-distillation of the decoders only (alpha = 0)",
    "nnUNetTrainerSDE": "self-distillation of the encoders only (beta = 0)",
    "nnUNetTrainerDSDMean": "dual self-distillation, taught by the mean of all levels of a side",
    "nnUNetTrainerDSDReversed": "dual self-distillation, taught by the shallowest level of a side",
    "nnUNetTrainerDSDFeatureL2": "dual self-distillation with an L2 term between the features of the levels",
}
BASELINE_SUMMARIES = {
    "nnUNetTrainerBasic": "baseline: one output, no deep supervision, no distillation; budget from the plans",
    "nnUNetTrainerStock": "baseline: nnU-Net's own training with its deep supervision; budget from the plans",
}


def _entry(name: str, summary: str, paper: str) -> TrainerEntry:
    target = f"nnunet_dsd.trainers.variants:{name}"
    return TrainerEntry(name=name, target=target, kind="segmentation", summary=summary, paper=paper)


ENTRIES = (
    *(_entry(name, summary, DSD_PAPER) for name, summary in SUMMARIES.items()),
    *(_entry(name, summary, NNUNET_PAPER) for name, summary in BASELINE_SUMMARIES.items()),
)
