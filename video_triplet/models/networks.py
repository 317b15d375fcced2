"""A timm backbone with one named group of outputs per head."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError, SetupError
from video_triplet.models.pretrained_files import (
    cached_timm_weights,
    read_weights,
    require_timm_hub,
    unfitting,
    with_classifier,
)
from video_triplet.vocabulary import Head


class TripletNetwork(nn.Module):
    """Images in, logits of every head out.

    All heads share one linear layer on the backbone's pooled features, whose outputs are split: for 100 triplets,
    6 instruments, 10 verbs and 15 targets it has 131, with the 7 phases 138. Normalisation is inside, so that a
    saved model cannot be fed with another one.

    Args:
        backbone: Name of a timm model.
        head_sizes: Classes per head, in the order of the outputs.
        image_size: Width and height in pixels.
        weights: `"none"`, `"timm"` (from its hub), or the path of a local file.
        options: Further arguments of the timm model.

    Raises:
        NetworkStructureError: if timm has no such model or refuses the options or the image size.
        SetupError: if the pre-trained weights cannot be had.

    Reference: Yamlahi et al., MICCAI 2023, Sect. 2.3.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        backbone: str,
        head_sizes: Mapping[Head, int],
        *,
        image_size: int,
        weights: str = "none",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.head_sizes = dict(head_sizes)
        outputs = sum(head_sizes.values())
        self.backbone = create_backbone(
            backbone, outputs, image_size=image_size, weights=weights, options=options or {}
        )
        for name, key in (("mean", "mean"), ("deviation", "std")):
            values = torch.tensor(cast(Any, self.backbone).pretrained_cfg[key], dtype=torch.float32) * 255
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> dict[Head, Tensor]:
        """Return logits `(B, classes)` for each head.

        Args:
            images: `(B, 3, S, S)`, uint8 or float with values from 0 to 255.
        """
        return self.by_head(self.backbone(self.normalised(images)))

    def normalised(self, images: Tensor) -> Tensor:
        """Return images as the backbone takes them; `images` as in `forward`."""
        return (images.to(self.mean.dtype) - self.mean) / self.deviation

    def by_head(self, logits: Tensor) -> dict[Head, Tensor]:
        """Split the logits of all heads, `(B, all classes)`, into those of each head."""
        return dict(zip(self.head_sizes, logits.split(list(self.head_sizes.values()), dim=1), strict=True))

    def classify(self, features: Tensor) -> dict[Head, Tensor]:
        """Return logits `(B, classes)` for each head from what `BackboneFeatures` returns."""
        return self.by_head(cast(Any, self.backbone).get_classifier()(features))

    def probabilities(self, images: Tensor) -> dict[Head, Tensor]:
        """Return sigmoid probabilities in float32, `(B, classes)` for each head; `images` as in `forward`."""
        return {head: logits.float().sigmoid() for head, logits in self(images).items()}


class BackboneFeatures(nn.Module):
    """A view of a timm model that returns its pooled features, `(B, F)`, and leaves out its classifier.

    Args:
        backbone: Takes part with its own weights.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled features of normalised images."""
        model = cast(Any, self.backbone)
        return cast(Tensor, model.forward_head(model.forward_features(images), pre_logits=True))

    @torch.no_grad()
    def check(self, image_size: int) -> None:
        """Try that these features and the classifier make the logits of the whole model.

        Raises:
            NetworkStructureError: if they do not.
        """
        was_training = self.backbone.training
        self.backbone.eval()
        images = torch.linspace(-1, 1, 3 * image_size**2).view(1, 3, image_size, image_size)
        try:
            found = cast(Any, self.backbone).get_classifier()(self(images))
            fits = torch.equal(found, self.backbone(images))
        except (AttributeError, TypeError, RuntimeError):
            fits = False
        finally:
            self.backbone.train(was_training)
        if not fits:
            raise NetworkStructureError(
                f"{type(self.backbone).__name__} has no pooled features that one linear layer classifies, so that they "
                "cannot be compared between epochs; choose another backbone, or epoch_lambda 0"
            )


def create_backbone(name: str, outputs: int, *, image_size: int, weights: str, options: Mapping[str, Any]) -> nn.Module:
    """Build a timm model with a classifier of `outputs` columns; arguments and errors as of `TripletNetwork`.

    With 0 outputs it has no classifier and returns its pooled features.
    """
    if not timm.is_model(name):
        found = [*timm.list_models(f"{name}*"), *timm.list_models(f"*{name.split('_')[0]}*")]
        near = ", ".join(list(dict.fromkeys(found))[:8]) or "see timm.list_models()"
        raise NetworkStructureError(f"timm {timm.__version__} has no model {name!r}; near: {near}")
    arguments = dict(options)
    if "img_size" not in arguments and image_size != timm.get_pretrained_cfg_value(name, "input_size")[-1]:
        arguments["img_size"] = image_size
    pretrained, file = weights != "none", None
    if weights == "timm":
        file = _hub_file(name)
    elif pretrained:
        file = Path(weights)
        if not file.is_file():
            raise SetupError(
                f"there is no file of pre-trained weights {weights!r}; allowed are a file, 'timm' and 'none'"
            )
    seed = int(torch.randint(2**31, ()))
    try:
        model = _create(name, pretrained, file, {**arguments, "num_classes": outputs}, seed)
    except TypeError as error:
        if "img_size" not in arguments or "img_size" in options:
            raise _refused(name, arguments, error) from error
        arguments.pop("img_size")  # a network that takes any size, such as a ResNet
        try:
            model = _create(name, pretrained, file, {**arguments, "num_classes": outputs}, seed)
        except TypeError as refusal:
            raise _refused(name, arguments, refusal) from refusal
    _refuse_unknown_options(model, name, options)
    if pretrained:
        _refuse_unloaded(model, name, weights, arguments, outputs, seed)
    _try(model, name, outputs, image_size)
    return model


def _hub_file(name: str) -> Path | None:
    """Return the file of an earlier download; None where timm is to download the weights, which it can.

    Raises:
        SetupError: if they are neither there nor to be had.
    """
    file = cached_timm_weights(name)
    if file is None:
        try:
            require_timm_hub(name)
        except SetupError as error:
            raise _not_loaded(name, "timm's hub", str(error)) from error
    return file


def _create(name: str, pretrained: bool, file: Path | None, arguments: dict[str, Any], seed: int) -> nn.Module:
    """Build a timm model; a file without a classifier is given a fresh one, which timm then leaves out."""
    try:
        return _create_from(name, pretrained, {"file": str(file)} if file else None, arguments, seed)
    except TypeError:
        raise
    except Exception as error:
        if not pretrained:
            raise _refused(name, arguments, error) from error
        if file is None:
            raise _not_loaded(name, "timm's hub", f"{type(error).__name__}: {error}") from error
        of_the_file = {key: value for key, value in arguments.items() if key != "num_classes"}
        weights, fresh = read_weights(file), _create_from(name, False, None, of_the_file, seed)
        completed = with_classifier(weights, fresh)
        if completed is not None:
            try:
                return _create_from(name, True, {"state_dict": completed}, arguments, seed)
            except RuntimeError:
                pass  # it lacks more than that, which the error below says
        reason = unfitting(weights, fresh) if weights else f"{type(error).__name__}: {error}"
        raise _not_loaded(name, str(file), reason) from error


def _create_from(
    name: str, pretrained: bool, overlay: dict[str, Any] | None, arguments: dict[str, Any], seed: int
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast(
            nn.Module, timm.create_model(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **arguments)
        )


def _not_loaded(name: str, source: str, reason: str) -> SetupError:
    return SetupError(
        f"the pre-trained weights of {name} could not be loaded from {source} ({reason}). "
        "Give a local file of them with --weights FILE, or train from scratch with --weights none"
    )


def _refuse_unloaded(
    model: nn.Module, name: str, weights: str, arguments: Mapping[str, Any], outputs: int, seed: int
) -> None:
    """Refuse weights that filled only a part of the backbone; timm merely logs it.

    A matrix that is bitwise the one a fresh network starts with has not been loaded.
    """
    fresh = dict(_create(name, False, None, {**arguments, "num_classes": outputs}, seed).named_parameters())
    classifier = {id(values) for values in cast(Any, model).get_classifier().parameters()}
    backbone = {key: v for key, v in model.named_parameters() if v.dim() > 1 and id(v) not in classifier}
    same = [key for key, values in backbone.items() if torch.equal(values, fresh[key])]
    if same:
        raise SetupError(
            f"the weights from {weights} do not fit {name}: {len(same)} of {len(backbone)} matrices of the backbone "
            f"were not among them, first {same[0]}; give the weights of this very model, or --weights none"
        )


def _refused(name: str, arguments: Mapping[str, Any], error: Exception) -> NetworkStructureError:
    return NetworkStructureError(
        f"timm's {name} refuses the arguments {dict(arguments)}: {type(error).__name__}: {error}"
    )


def _refuse_unknown_options(model: nn.Module, name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that timm's classes would swallow without a word through their `**kwargs`."""
    known = [key for key in inspect.signature(type(model)).parameters if key not in ("args", "kwargs")]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise NetworkStructureError(f"timm's {name} has no options {', '.join(unknown)}; it has {', '.join(known)}")


@torch.no_grad()
def _try(model: nn.Module, name: str, outputs: int, image_size: int) -> None:
    """Run one black image, so that an image size the network cannot take is refused before training."""
    was_training = model.training
    model.eval()
    try:
        shape = tuple(model(torch.zeros(1, 3, image_size, image_size)).shape)
    except Exception as error:
        message = f"{name} cannot take images of {image_size} x {image_size} pixels: {error}"
        raise NetworkStructureError(f"{message}; choose another --image-size or backbone") from error
    finally:
        model.train(was_training)
    if len(shape) != 2 or shape[0] != 1 or (outputs and shape[1] != outputs):
        expected = (1, outputs or "features")
        raise NetworkStructureError(f"{name} returns shape {shape} for one image, expected {expected}")
