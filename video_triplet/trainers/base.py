"""What every triplet trainer is: a Lightning module whose variants are tables of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from video_triplet.models.model_file import build_network
from video_triplet.models.networks import BackboneFeatures
from video_triplet.predictions.scores import score_classes
from video_triplet.settings import TripletSettings, read_triplet_settings
from video_triplet.trainers.module import EpochSeededModule
from video_triplet.vocabulary import Head, Vocabulary

Role = Literal["teacher", "student"]
VALIDATION_SCORE = "validation_mAP"


@dataclasses.dataclass(frozen=True)
class ValidationTruth:
    """Hard triplet labels of the validation rows, and which video each row is of.

    Attributes:
        labels: `(N, triplets)` of 0 and 1.
        video_ids: `(N,)`.
    """

    labels: NDArray[np.uint8]
    video_ids: NDArray[np.int64]


class TripletTrainer(EpochSeededModule):
    """Trains a `TripletNetwork` with binary cross-entropy on hard or soft labels.

    With `epoch_lambda` above 0, the callback `EpochwiseDistillation` adds the distance to the last epoch's features.

    A variant sets `role`, `defaults` and `fixed`; one with another loss overrides `loss_terms`. The network follows
    from the settings alone, so that a model file can be read without its trainer.

    Args:
        settings: Of this run.
        vocabulary: Of the data set.
        truth: Of the validation videos; None where there are none.

    Reference: Yamlahi et al., "Self-distillation for Surgical Action Recognition", MICCAI 2023, Sect. 2.3.
    """

    role: ClassVar[Role] = "teacher"
    defaults: ClassVar[Mapping[str, Any]] = {}
    fixed: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, settings: TripletSettings, vocabulary: Vocabulary, truth: ValidationTruth | None = None) -> None:
        super().__init__(settings)
        self.vocabulary, self.truth = vocabulary, truth
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = build_network(settings, vocabulary)
        if settings.epoch_lambda:
            self.encoder.check(settings.image_size)

    @property
    def encoder(self) -> BackboneFeatures:
        """The backbone up to its pooled features: what epoch-wise self-distillation holds near the epoch before."""
        return BackboneFeatures(self.network.backbone)

    @classmethod
    def read_settings(
        cls, given: Mapping[str, Any], *, source: str = "the settings of this training"
    ) -> TripletSettings:
        """Return the settings of this variant, with what a user gave.

        Raises:
            SettingsError: if something given is unknown, impossible, or fixed in this variant.
        """
        return read_triplet_settings(given, defaults=cls.defaults, fixed=cls.fixed, source=source)

    def loss_terms(self, logits: Mapping[Head, Tensor], targets: Mapping[Any, Tensor]) -> dict[str, Tensor]:
        """Return one scalar per head, in float32, that add up to the loss.

        With `reduction` mean, the sum is the mean over all frames and all classes of all heads together.

        Args:
            logits: `(B, classes)` by head.
            targets: Hard or soft labels of the same shapes; further entries are not looked at.
        """
        classes = sum(values.shape[1] for values in logits.values())
        terms: dict[str, Tensor] = {}
        for head, values in logits.items():
            total = functional.binary_cross_entropy_with_logits(values.float(), targets[head].float(), reduction="sum")
            terms[head] = total if self.settings.reduction == "sum" else total / (len(values) * classes)
        return terms

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam; its learning rate is set at the start of each epoch."""
        return torch.optim.Adam(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one part of a step and log it by head."""
        previous: Tensor | None = None
        if self.epochwise is None:
            logits = self.network(batch["image"])
        else:
            images = self.network.normalised(batch["image"])
            features = self.encoder(images)
            logits, previous = self.network.classify(features), self.epochwise.term(images, features)
        terms = self.loss_terms(logits, batch)
        loss = torch.stack(list(terms.values())).sum()
        # Lightning divides by the parts of a step, and data parallelism averages over processes: a sum must stay a sum
        parts = self.settings.accumulate * self.trainer.world_size if self.settings.reduction == "sum" else 1
        frames = len(batch["image"])
        total = parts * loss if previous is None else parts * loss + previous
        shown = {"loss": total, **{f"loss_{head}": parts * value for head, value in terms.items()}}
        self.log_training(shown, frames)
        return total

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Keep the triplet probabilities of one batch until the epoch's end."""
        logits = self.network(batch["image"])["triplet"]
        self.keep_validated(batch["row"], logits.float().sigmoid())

    def on_validation_epoch_end(self) -> None:
        """Log the official video mAP over all validation frames, each counted once on however many processes."""
        rows, probabilities = self.take_validated()
        if self.truth is not None and not self.trainer.sanity_checking:
            score = validation_score(rows, probabilities, self.truth)
            self.log(VALIDATION_SCORE, score, prog_bar=True, rank_zero_only=False, sync_dist=False)


def validation_score(rows: Tensor, probabilities: Tensor, truth: ValidationTruth) -> float:
    """Return the video mAP of triplets, a fraction; NaN if no validation frame has a triplet.

    Args:
        rows: `(M,)` which row of the truth each line is; a row may come twice, from a padded last batch.
        probabilities: `(M, triplets)`.
        truth: Labels and videos of all rows.
    """
    scores = np.full(truth.labels.shape, np.nan, dtype=np.float32)
    scores[rows.cpu().numpy()] = probabilities.cpu().numpy()
    masks = [truth.video_ids == video for video in np.unique(truth.video_ids)]
    classes = tuple(map(str, range(truth.labels.shape[1])))
    return score_classes(
        [truth.labels[mask] for mask in masks], [scores[mask] for mask in masks], classes=classes, top_k=()
    ).mean_ap
