"""The trainers of this package, as the registry lists them. Light: imports no trainer and no torch."""

from __future__ import annotations

from nnunet_dsd.config.settings import setting_names
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
MISSU_PAPER = "Wang et al., MISSU: 3D medical image segmentation via self-distilling TransUNet, 2023"
MISSU_SUMMARY = "MISSU-style, partly inferred: decoders follow the encoders' features, refined by multi-scale fusion"
HLFD_PAPER = (
    "Gorade et al., Rethinking intermediate layers design in knowledge distillation for kidney and liver tumor "
    "segmentation, ISBI, 2024"
)
HLFD_SUMMARY = "HLFD: a finished nnU-Net model teaches this one by feedback on features and maps"
KD_PAPER = "Hinton et al., Distilling the knowledge in a neural network, 2015; an average of models as the teacher"
KD_SUMMARY = (
    "knowledge distillation: finished models' stored soft labels teach this one, with images without labels too"
)
EPOCH_PAPER = (
    "Zhou et al., Preserve pre-trained knowledge: transfer learning with self-distillation for action recognition"
)
EPOCH_SUMMARY = "epoch-wise self-distillation: the bottleneck stays near its own last epoch, for -pretrained_weights"
BACKBONES = {
    "UNETR": "Hatamizadeh et al., UNETR: transformers for 3D medical image segmentation, WACV, 2022",
    "SwinUNETR": "Hatamizadeh et al., Swin UNETR: swin transformers for semantic segmentation of brain tumors, 2022",
    "VNet": "Milletari et al., V-Net: fully convolutional neural networks for volumetric segmentation, 3DV, 2016",
    "UNetPlusPlus": "Zhou et al., UNet++: a nested U-Net architecture for medical image segmentation, DLMIA, 2018",
    "DynUNet": "Isensee et al., nnU-Net, Nature Methods, 2021, in MONAI's version",
    "ResNet18UNet": "He et al., Deep residual learning for image recognition, CVPR, 2016, as encoder of MONAI's U-Net",
    "ResNet18FCN": "Long et al., Fully convolutional networks for semantic segmentation, CVPR, 2015, on a ResNet18",
}
WITHOUT_DECODER = ("ResNet18FCN",)


def _dual_without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in setting_names("dual") if name not in names)


# What a trainer reads beside the training's settings, by the end of its name: not what it fixes, nor what is idle then.
READS = {
    "DSD": setting_names("dual"),
    "DS": ("eta", "eta_decay", "reduction", "bottlenecks", "bottleneck_init", "dice_background"),
    "SDD": _dual_without("alpha", "encoder_supervision", "feature_l2"),
    "SDE": _dual_without("beta", "feature_l2"),
    "DSDMean": _dual_without("teacher"),
    "DSDReversed": _dual_without("teacher"),
    "DSDFeatureL2": setting_names("dual"),
    "MISSU": (*setting_names("missu"), "eta", "reduction", "detach_teacher", "bottleneck_init", "dice_background"),
    "HLFD": (*setting_names("hlfd"), "temperature", "dice_background"),
    "KD": (*setting_names("kd"), "temperature", "dice_background"),
    "EpochSD": (*setting_names("epochwise"), "dice_background"),
}


def _entry(name: str, summary: str, paper: str, *, module: str = "variants") -> TrainerEntry:
    kind = name.removeprefix("nnUNetTrainer").rpartition("_")[2]
    reads = (*READS.get(kind, ()), *(setting_names("network") if module == "backbones" else ()))
    return TrainerEntry(
        name=name,
        target=f"nnunet_dsd.trainers.{module}:{name}",
        kind="segmentation",
        summary=summary,
        paper=paper,
        reads=(*reads, *setting_names("training")),
    )


def _backbone_entries(backbone: str, paper: str) -> list[TrainerEntry]:
    """Return the trainers of one of MONAI's networks: plain, taught, and with every kind of self-distillation."""
    stem = f"nnUNetTrainer{backbone}"
    plain = _entry(stem, f"MONAI's {backbone}, no distillation", paper, module="backbones")
    taught = [
        _entry(f"{stem}_HLFD", f"MONAI's {backbone}: {HLFD_SUMMARY}", HLFD_PAPER, module="backbones"),
        _entry(f"{stem}_KD", f"MONAI's {backbone}: {KD_SUMMARY}", KD_PAPER, module="backbones"),
    ]
    if backbone in WITHOUT_DECODER:
        return [plain, *taught]
    distilled = {f"{stem}_{name.removeprefix('nnUNetTrainer')}": summary for name, summary in SUMMARIES.items()}
    return [
        plain,
        *(_entry(n, f"MONAI's {backbone}: {s}", DSD_PAPER, module="backbones") for n, s in distilled.items()),
        _entry(f"{stem}_MISSU", f"MONAI's {backbone}: {MISSU_SUMMARY}", MISSU_PAPER, module="backbones"),
        *taught,
    ]


ENTRIES = (
    *(_entry(name, summary, DSD_PAPER) for name, summary in SUMMARIES.items()),
    *(_entry(name, summary, NNUNET_PAPER) for name, summary in BASELINE_SUMMARIES.items()),
    _entry("nnUNetTrainerMISSU", MISSU_SUMMARY, MISSU_PAPER, module="missu"),
    _entry("nnUNetTrainerHLFD", HLFD_SUMMARY, HLFD_PAPER, module="hlfd"),
    _entry("nnUNetTrainerKD", KD_SUMMARY, KD_PAPER, module="kd"),
    _entry("nnUNetTrainerEpochSD", EPOCH_SUMMARY, EPOCH_PAPER, module="epochwise"),
    *(entry for backbone, paper in BACKBONES.items() for entry in _backbone_entries(backbone, paper)),
)
