"""Dual self-distillation for any U-shaped network in any PyTorch training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError, ShapeError
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.objective import dual_distillation_terms, term_weights
from nnunet_dsd.distillation.terms import formula, weighted_sum
from nnunet_dsd.networks.heads import DistillationHeads, DistillationOutput, heads_for
from nnunet_dsd.networks.probe import Probe, find_levels
from nnunet_dsd.networks.taps import attach, detach

SupervisedLoss = Callable[[Tensor, Tensor], Tensor]


class DualSelfDistillation(nn.Module):
    """A network together with the heads and the loss of dual self-distillation.

    In training mode a call returns a `DistillationOutput` for `loss`; in eval mode it returns the network's own
    output. The network itself keeps its class, its weights' names and, in eval mode, its output: save
    `network.state_dict()` as before, and give `distilled.parameters()` to the optimiser, so that the heads learn too.
    `distilled.state_dict()` holds network and heads, to continue a training.

        distilled = DualSelfDistillation(network, encoders=[...], decoders=[...], num_classes=3)
        optimizer = torch.optim.AdamW(distilled.parameters(), lr=1e-3)
        for images, labels in loader:
            loss, terms = distilled.loss(distilled(images), labels)

    Wrap it in DistributedDataParallel, and compile it, after this.

    Args:
        network: Any U-shaped network of two or three spatial axes whose output is one tensor of logits.
        encoders: Paths of its encoder levels (`network.named_modules()` lists them), from full resolution down to the
            last one above the bottleneck.
        decoders: Paths of its decoder levels, from the one just below the block that feeds the output down to the
            bottleneck. `path:input` taps what a module is given instead of what it returns.
        num_classes: Output channels of the network.
        settings: Weights, temperature, who teaches; None takes this package's defaults,
            `DualSettings(**PRESETS["paper"].settings)` the paper's.
        regions: Channels are independent regions (sigmoid) instead of exclusive classes (softmax).
        supervised_loss: Takes logits `(B, C, *S)` and the target, returns a scalar; None takes MONAI's Dice plus
            cross-entropy with background (Eq. 1), whose target is labels `(B, 1, *S)`, or with `regions` MONAI's Dice
            plus binary cross-entropy, whose target is `(B, C, *S)`.
        example: Input `(1, C, *S)` for the dry run that finds channels and strides; None takes zeros of 64 voxels per
            axis.

    Raises:
        SettingsError: if the settings are others than those of dual self-distillation.
        NetworkStructureError: if the levels do not form a U, or the output is not `num_classes` full-resolution maps.

    Reference: dual self-distillation (IEEE TBME 2025), Eq. 1 to 5.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        encoders: Sequence[str],
        decoders: Sequence[str],
        num_classes: int,
        settings: DualSettings | None = None,
        regions: bool = False,
        supervised_loss: SupervisedLoss | None = None,
        example: Tensor | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(settings, DualSettings | None):
            raise SettingsError(
                [f"got {type(settings).__name__}, expected DualSettings, which all settings of plans hold as .dual"],
                source="settings",
            )
        self.settings, self.regions = settings or DualSettings(), regions
        self._target_seen = supervised_loss is not None  # whose target may be anything
        self.supervised_loss = supervised_loss or _dice_and_cross_entropy(regions=regions)
        if num_classes < 2 and not regions:
            raise NetworkStructureError(
                f"num_classes is {num_classes}: a softmax over fewer than 2 channels says nothing. A network with one "
                "channel and a sigmoid has one region: pass regions=True"
            )
        probe = find_levels(network, encoders, decoders, example=example)
        _require_logits(network, probe, num_classes)
        self.shape, self.progress = probe.shape, 1.0
        heads = DistillationHeads(self.shape, num_classes, heads_for(self.settings))
        self.heads = heads.to(device=probe.output.device, dtype=probe.output.dtype)
        attach(network, self.heads)
        self.network = network

    def forward(self, images: Tensor) -> DistillationOutput | Tensor:
        """Return what the network returns for images `(B, C, *S)`: with the heads' maps in training mode.

        Raises:
            NetworkStructureError: if the network itself returns something else than one tensor in training mode.
        """
        output: DistillationOutput | Tensor = self.network(images)
        main = output.main if isinstance(output, DistillationOutput) else output
        if not isinstance(main, Tensor):
            raise NetworkStructureError(
                f"in training mode {type(self.network).__name__} returns a {type(main).__name__} instead of one tensor "
                "of logits; switch its own deep supervision off, or wrap it so that it returns its main output"
            )
        return output

    def loss(
        self, output: DistillationOutput, target: Tensor, *, mask: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of Eq. 5 and its unweighted terms, detached, by name.

        Args:
            output: What a call in training mode returned.
            target: What `supervised_loss` takes.
            mask: `(B, 1, *S)`, true where a voxel counts for the divergences; None: all do.

        Raises:
            ShapeError: if `output` is not that of a call in training mode.
        """
        if not isinstance(output, DistillationOutput):
            raise ShapeError(
                f"the loss takes what a call in training mode returns, got a {type(output).__name__}; call .train() "
                "first, and validate with your own metric on the network's output. After release() there is no loss"
            )
        if not self._target_seen:
            self._check_target(output.main, target)
        terms = dual_distillation_terms(
            output,
            target,
            settings=self.settings,
            supervised_loss=self.supervised_loss,
            mask=mask,
            regions=self.regions,
        )
        return weighted_sum(terms, self.weights()), {name: value.detach() for name, value in terms.items()}

    def _check_target(self, logits: Tensor, target: Tensor) -> None:
        """Look at the first target, so that a wrong one gets a message of its own.

        Raises:
            ShapeError: if it has another shape, or values that are no labels of this network.
        """
        channels = logits.shape[1]
        expected = (logits.shape[0], channels if self.regions else 1, *logits.shape[2:])
        if tuple(target.shape) != expected:
            what = "one channel of 0 and 1 per region" if self.regions else "one channel of label values"
            raise ShapeError(f"the target has the shape {tuple(target.shape)}, expected {expected}: {what}")
        highest = 1 if self.regions else channels - 1
        if target.min() < 0 or target.max() > highest:
            raise ShapeError(
                f"the target holds values from {target.min():g} to {target.max():g}, allowed are 0 to {highest}; give "
                "other num_classes, or mask what is ignored and set it to 0"
            )
        self._target_seen = True

    def weights(self) -> dict[str, float]:
        """Return the weight of each term; `progress` (0 to 1, for `distillation_ramp`) is an attribute to set."""
        return term_weights(self.settings, levels=len(self.shape.encoders), progress=self.progress)

    def formula(self) -> str:
        """Return the loss as a line of text."""
        return formula(self.weights())

    def release(self) -> nn.Module:
        """Take the heads off and return the network as it was given, with the weights it has now."""
        detach(self.network)
        return self.network


def _dice_and_cross_entropy(*, regions: bool) -> SupervisedLoss:
    """Return Eq. 1, with sigmoid and binary cross-entropy for regions."""
    from monai.losses import DiceCELoss, DiceLoss

    if not regions:
        exclusive: SupervisedLoss = DiceCELoss(softmax=True, to_onehot_y=True)
        return exclusive
    dice = DiceLoss(sigmoid=True)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        entropy = functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype))
        total: Tensor = dice(logits, target) + entropy
        return total

    return loss


def _require_logits(network: nn.Module, probe: Probe, classes: int) -> None:
    output, expected = probe.output, (classes, *probe.size)
    if isinstance(output, Tensor) and tuple(output.shape[1:]) == expected:
        return
    got = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise NetworkStructureError(
        f"{type(network).__name__} returns {got} for an input of {probe.size} voxels; logits (B, {classes}, *S) of "
        "full resolution are needed. Give the right num_classes; switch a network's own deep supervision off; wrap a "
        "network that returns several things"
    )
