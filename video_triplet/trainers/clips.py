"""Fine-tunes a clip classifier: a Lightning module whose variants are tables of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from video_triplet.clips.accuracy import TOPS, reference_ranks, top_k
from video_triplet.clips.model_file import build_clip_network
from video_triplet.clips.networks import mean_logits
from video_triplet.clips.settings import ClipSettings, read_clip_settings
from video_triplet.trainers.epochwise import share_first_process
from video_triplet.trainers.module import EpochSeededModule

PAPERS_BEST_LAMBDA = 100.0  # Table 2: the best on UCF101 with both encoders


class ClipTrainer(EpochSeededModule):
    """Trains a `ClipNetwork` with the cross-entropy of one clip per video.

    With `epoch_lambda` above 0, the callback `EpochwiseDistillation` adds the distance to the last epoch's features.
    A variant sets `defaults` and `fixed`; one with another loss overrides `loss`.

    Args:
        settings: Of this run.
        classes: How many there are.
        labels: `(N,)` of the validation videos, by row; None where there are none.

    Reference: Zhou et al., "Preserve pre-trained knowledge: transfer learning with self-distillation for action
        recognition", Eq. 1 to 3 and Algorithm 1.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    fixed: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, settings: ClipSettings, classes: int, labels: NDArray[np.int64] | None = None) -> None:
        super().__init__(settings)
        self.labels = labels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = build_clip_network(settings, classes)

    @property
    def encoder(self) -> nn.Module:
        """What epoch-wise self-distillation holds near the epoch before."""
        return self.network.encoder

    @classmethod
    def read_settings(cls, given: Mapping[str, Any], *, source: str = "the settings of this training") -> ClipSettings:
        """Return the settings of this variant, with what a user gave.

        Raises:
            SettingsError: if something given is unknown, impossible, or fixed in this variant.
        """
        return read_clip_settings(given, defaults=cls.defaults, fixed=cls.fixed, source=source)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        if self.settings.schedule == "constant":
            return float(self.settings.learning_rate)
        return super().learning_rate(epoch)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy, a scalar in float32, mean over clips.

        Args:
            logits: `(B, classes)`.
            labels: `(B,)`, numbers of classes.
        """
        return functional.cross_entropy(logits.float(), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD; its learning rate is set at the start of each epoch."""
        settings = self.settings
        return torch.optim.SGD(
            self.network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one part of a step and log its terms."""
        clips = self.network.normalised(batch["clip"])
        features = self.encoder(clips)
        logits = self.network.head(features)
        loss = self.loss(logits, batch["label"])
        total = loss if self.epochwise is None else loss + self.epochwise.term(clips, features)
        right = (logits.detach().argmax(dim=1) == batch["label"]).float().mean()
        self.log_training({"loss": total, "cross_entropy": loss, "acc1": right}, len(clips))
        return total

    def on_validation_epoch_start(self) -> None:
        """Take the batch-norm statistics of the first process, which are those that a model file gets."""
        share_first_process(self.network, self.trainer.world_size)

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Keep the mean logits of one batch's videos until the epoch's end."""
        self.keep_validated(batch["row"], mean_logits(self.network, batch["clips"]))

    def on_validation_epoch_end(self) -> None:
        """Log Acc@1 and Acc@5 over all validation videos, each counted once on however many processes."""
        rows, logits = self.take_validated()
        if self.labels is not None and not self.trainer.sanity_checking:
            for k, value in validation_accuracies(rows, logits, self.labels).items():
                self.log(f"validation_acc{k}", value, prog_bar=k == 1, rank_zero_only=False, sync_dist=False)


class ClipFineTuning(ClipTrainer):
    """Cross-entropy alone: the paper's baseline."""

    fixed: ClassVar[Mapping[str, Any]] = {"epoch_lambda": 0.0}


class ClipFineTuningEpochSD(ClipTrainer):
    """With epoch-wise self-distillation: the paper's method."""

    defaults: ClassVar[Mapping[str, Any]] = {"epoch_lambda": PAPERS_BEST_LAMBDA}


def validation_accuracies(rows: Tensor, logits: Tensor, labels: NDArray[np.int64]) -> dict[int, float]:
    """Return Acc@1 and Acc@5, fractions, by k.

    Args:
        rows: `(M,)` which video each line is; a video may come twice, from a padded last batch.
        logits: `(M, classes)`.
        labels: `(N,)` of all videos.
    """
    ordered = np.full((len(labels), logits.shape[1]), np.nan, dtype=np.float32)
    ordered[rows.cpu().numpy()] = logits.cpu().numpy()
    ranks = reference_ranks(ordered, labels)
    return {k: top_k(ranks, k) for k in TOPS}
