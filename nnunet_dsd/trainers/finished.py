"""Finished models as nnU-Net's own predictor loads them: the network, the preprocessing, the prediction of an image."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._dynamo import OptimizedModule

from nnunet_dsd.common.errors import CheckpointError, DataError
from nnunet_dsd.trainers.checkpoint import read_checkpoint, require_parts


@dataclass(frozen=True)
class PreparedImage:
    """A case as a model sees it: transposed, cropped to what is not zero, normalised, resampled.

    Attributes:
        array: Shape (C, *P); P are the model's axes, three also in a 2D configuration.
        transpose: Which axis of the image's array each of the model's axes is.
        crop_start: First voxel of the crop along the model's axes, before resampling.
        crop_shape: Voxels of the crop along the model's axes, before resampling.
    """

    array: NDArray[np.float32]
    transpose: tuple[int, ...]
    crop_start: tuple[int, ...]
    crop_shape: tuple[int, ...]


class FinishedModel:
    """One fold of a model folder, on a device, in eval mode; not compiled, so that its modules can be tapped.

    Args:
        folder: The model folder, named TRAINER__PLANS__CONFIGURATION.
        fold: Such as "0" or "all".
        checkpoint: File name in the fold.
        device: Where the network runs.
        mirroring: Average the predictions of mirrored images, along the axes that the training mirrored.

    Raises:
        CheckpointError: if the checkpoint is broken, of another configuration than the folder's name says, or of
            another network than its plans say.
        DataError: if nnU-Net does not find its trainer.
    """

    def __init__(
        self, folder: Path, *, fold: str, checkpoint: str, device: torch.device, mirroring: bool = False
    ) -> None:
        path = folder / f"fold_{fold}" / checkpoint
        require_loadable(folder, path, read_checkpoint(path))
        with contextlib.redirect_stdout(io.StringIO()):  # it says on every CPU that it is none
            self._predictor = nnUNetPredictor(
                use_mirroring=mirroring,
                perform_everything_on_device=device.type == "cuda",
                device=device,
                allow_tqdm=False,
            )
        try:
            self._predictor.initialize_from_trained_model_folder(str(folder), (fold,), checkpoint)
        except RuntimeError as error:
            raise CheckpointError(
                f"the weights of {folder / f'fold_{fold}' / checkpoint} do not fit the network of its folder's plans: "
                f"{error}. Put back the plans.json that the model was trained with"
            ) from error
        if isinstance(self._predictor.network, OptimizedModule):  # nnU-Net's nnUNet_compile
            self._predictor.network = self._predictor.network._orig_mod
        self.device = device
        self.network: nn.Module = self._predictor.network.to(device).eval()

    @property
    def patch_size(self) -> tuple[int, ...]:
        """Voxels per axis of what the network is given, two axes or three."""
        return tuple(int(size) for size in self._predictor.configuration_manager.patch_size)

    @property
    def input_channels(self) -> int:
        """Number of image channels."""
        return len(self._predictor.dataset_json["channel_names"])

    @property
    def has_regions(self) -> bool:
        """Whether output channels are regions, each with a sigmoid, instead of classes."""
        return bool(self._predictor.label_manager.has_regions)

    def preprocess(self, images: Sequence[Path]) -> PreparedImage:
        """Read the channels of a case and do with them what nnU-Net does before a prediction."""
        predictor = self._predictor
        preprocessor: Any = predictor.configuration_manager.preprocessor_class(verbose=False)
        array, _, properties = preprocessor.run_case(
            [str(path) for path in images],
            None,
            predictor.plans_manager,
            predictor.configuration_manager,
            predictor.dataset_json,
        )
        return PreparedImage(
            array=np.asarray(array, dtype=np.float32),
            transpose=tuple(int(axis) for axis in predictor.plans_manager.transpose_forward),
            crop_start=tuple(int(low) for low, _ in properties["bbox_used_for_cropping"]),
            crop_shape=tuple(int(size) for size in properties["shape_after_cropping_and_before_resampling"]),
        )

    def predict(self, prepared: PreparedImage) -> Tensor:
        """Return the logits `(1, K, *P)` of a whole image on the CPU, by sliding window."""
        return self.logits(prepared.array)[None]

    def logits(self, array: NDArray[np.float32]) -> Tensor:
        """Return the logits `(K, *P)` of a preprocessed image `(C, *P)` on the CPU, by sliding window."""
        logits: Tensor = self._predictor.predict_logits_from_preprocessed_data(torch.from_numpy(array))
        return logits.float()


def require_loadable(folder: Path, path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of a trainer that is not installed, or of another configuration than its folder's.

    Args:
        folder: The model folder.
        path: The checkpoint's.
        checkpoint: What it holds.

    Raises:
        CheckpointError: if it lacks parts, or is of another configuration.
        DataError: if nnU-Net does not find its trainer.
    """
    require_parts(checkpoint, ("trainer_name", "init_args"), source=str(path))
    trainer = checkpoint["trainer_name"]
    try:
        recursive_find_trainer_class_by_name(trainer)
    except RuntimeError as error:
        raise DataError(
            f"nnU-Net finds no trainer {trainer}, which {path} is of; install the package that has it (`nnunet-dsd "
            "list` shows ours)"
        ) from error
    trained, named = checkpoint["init_args"]["configuration"], folder.resolve().name.split("__")[-1]
    if trained != named:
        raise CheckpointError(f"{path} is of the configuration {trained}, its folder is named after {named}; rename it")
