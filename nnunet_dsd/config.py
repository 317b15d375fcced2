"""Frozen settings of a training, read from and written to a block of their own in nnU-Net's plans.

The block sits in one configuration of a plans file, under the key `self_distillation`. It survives into the results
folder's `plans.json` and into every checkpoint, and with a plans name of its own each set of settings gets a results
folder of its own.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nnunet_dsd.errors import SettingsError

PLANS_KEY = "self_distillation"

TeacherChoice = Literal["deepest", "mean", "reversed"]
Reduction = Literal["sum", "mean"]
Sharing = Literal["shared", "separate"]
BottleneckInit = Literal["nearest", "random"]
Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["poly", "step", "constant"]


LEARNING_RATES: dict[Optimiser, float] = {"sgd": 1e-2, "adamw": 1e-3}  # nnU-Net's; the paper's for MMWHS
WEIGHT_DECAYS: dict[Optimiser, float] = {"sgd": 3e-5, "adamw": 1e-5}


def _setting(
    default: Any, help_text: str, *, low: float = -math.inf, high: float = math.inf, open_low: bool = False
) -> Any:
    """Declare one setting: its default, what it means, and the range of allowed numbers."""
    return field(default=default, metadata={"help": help_text, "low": low, "high": high, "open_low": open_low})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a plans file can say about a self-distilled training.

    Defaults are this package's; `PRESETS` holds the paper's. Symbols follow Eq. 2 to 5 of "Volumetric medical image
    segmentation through dual self-distillation in U-shaped networks" (IEEE TBME 2025).

    Raises:
        SettingsError: listing every value that is not allowed.
    """

    temperature: float = _setting(3.0, "temperature T of the soft labels (Eq. 2)", low=0, open_low=True)
    alpha: float = _setting(0.1, "weight of the divergences between encoders (Eq. 5)", low=0)
    beta: float = _setting(0.1, "weight of the divergences between decoders (Eq. 5)", low=0)
    eta: float = _setting(1.0, "weight of the ground truth on each decoder level (Eq. 3)", low=0)
    eta_decay: float = _setting(
        0.5, "factor on eta per level away from the output: decoder i gets eta * decay^i", low=0, high=1, open_low=True
    )
    reduction: Reduction = _setting(
        "mean",
        "sum: add up the terms as in the paper; mean: average the terms of each kind, so that depth does not matter",
    )
    teacher: TeacherChoice = _setting("deepest", "which level teaches the others on its side")
    detach_teacher: bool = _setting(False, "stop the gradient into the teacher (the authors let it flow)")
    distillation_ramp: float = _setting(
        0.0, "fraction of the training over which alpha and beta grow linearly to their value", low=0, high=1
    )
    encoder_supervision: float = _setting(
        0.0, "weight of the ground truth on the deepest encoder, while alpha > 0; not in the paper", low=0
    )
    feature_l2: float = _setting(0.0, "weight of the L2 distance between pooled, projected features", low=0)
    bottlenecks: Sharing = _setting(
        "shared", "shared: encoder and decoder of one scale use one module; separate: each level has its own"
    )
    bottleneck_init: BottleneckInit = _setting(
        "nearest", "how deconvolutions start: as nearest-neighbour upsampling, or random (torch's default)"
    )
    dice_background: bool = _setting(False, "count the background in the Dice loss (the paper does, nnU-Net does not)")

    epochs: int = _setting(1000, "number of epochs", low=1)
    iterations_per_epoch: int = _setting(250, "training steps per epoch", low=1)
    validation_iterations_per_epoch: int = _setting(50, "validation steps per epoch", low=1)
    save_every: int = _setting(50, "epochs between two checkpoints to resume from", low=1)
    optimiser: Optimiser = _setting("sgd", "sgd: nnU-Net's, with Nesterov momentum 0.99; adamw: the paper's")
    learning_rate: float | None = _setting(
        None, "initial learning rate; none: 0.01 with sgd, 0.001 with adamw", low=0, open_low=True
    )
    weight_decay: float | None = _setting(None, "weight decay; none: 3e-5 with sgd, 1e-5 with adamw", low=0)
    schedule: Schedule = _setting(
        "poly", "poly: nnU-Net's; step: halved after every sixth of the epochs (paper, MMWHS); constant"
    )
    seed: int | None = _setting(
        None, "seed of weights and sampling; none: as nnU-Net, not seeded", low=0, high=2**32 - 1
    )

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [problem for spec in dataclasses.fields(self) for problem in _check(spec, getattr(self, spec.name))]
        if problems:
            raise SettingsError(problems, source="the self-distillation settings")

    @property
    def initial_learning_rate(self) -> float:
        """The learning rate asked for, or the optimiser's own."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def chosen_weight_decay(self) -> float:
        """The weight decay asked for, or the optimiser's own."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay

    def differences(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        defaults = {spec.name: spec.default for spec in dataclasses.fields(self)}
        return {name: value for name, value in dataclasses.asdict(self).items() if value != defaults[name]}


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings, in their documented order."""
    return tuple(spec.name for spec in dataclasses.fields(Settings))


def read_settings(
    block: Mapping[str, Any] | None,
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = f"the plans' block '{PLANS_KEY}'",
) -> Settings:
    """Build settings from a plans block.

    Args:
        block: The block as read from the plans, or None where the plans have none.
        defaults: What a trainer uses where the block is silent.
        fixed: What makes a trainer the variant it is; wins over the block.
        source: Where the block comes from, for the error message.

    Raises:
        SettingsError: listing every unknown key (with its nearest match) and every impossible value.
    """
    block = {} if block is None else block
    if not isinstance(block, Mapping):
        raise SettingsError([f"expected a table of settings, got {type(block).__name__}"], source=source)
    known = setting_names()
    problems = [_unknown(name, known) for name in block if name not in known]
    merged = {**(defaults or {}), **{k: v for k, v in block.items() if k in known}, **(fixed or {})}
    for spec in dataclasses.fields(Settings):
        if spec.name in merged:
            problems += _check(spec, merged[spec.name])
    if problems:
        raise SettingsError(problems, source=source)
    return Settings(**{name: _as_declared(name, value) for name, value in merged.items()})


def _unknown(name: object, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
    return f"unknown setting '{name}'{hint}"


def setting_type(name: str) -> Any:
    """Return the declared type of a setting, without the `| None` of an optional one."""
    declared = typing.get_type_hints(Settings)[name]
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        declared = next(part for part in typing.get_args(declared) if part is not type(None))
    return declared


def setting_choices(name: str) -> tuple[str, ...] | None:
    """Return the allowed words of a setting, or None where it is a number or a switch."""
    declared = setting_type(name)
    return typing.get_args(declared) if typing.get_origin(declared) is Literal else None


def _as_declared(name: str, value: Any) -> Any:
    """Turn an integer from JSON into the float that was declared."""
    return float(value) if setting_type(name) is float and value is not None else value


def _check(spec: dataclasses.Field[Any], value: Any) -> list[str]:
    """Return what is wrong with one value: at most one sentence."""
    if value is None and spec.default is None:
        return []
    choices = setting_choices(spec.name)
    if choices is not None:
        return [] if value in choices else [f"{spec.name}: got {value!r}, allowed are {', '.join(choices)}"]
    declared = setting_type(spec.name)
    if declared is bool:
        return [] if isinstance(value, bool) else [f"{spec.name}: got {value!r}, allowed are true and false"]
    return _check_number(spec, declared, value)


def _is_finite(value: float) -> bool:
    """Tell whether a number is one a float can hold; JSON may hold longer ones."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_number(spec: dataclasses.Field[Any], declared: type, value: Any) -> list[str]:
    kinds = (int,) if declared is int else (int, float)
    low, high, open_low = spec.metadata["low"], spec.metadata["high"], spec.metadata["open_low"]
    if isinstance(value, bool) or not isinstance(value, kinds) or not _is_finite(value):
        kind = "a whole number" if declared is int else "a finite number"
        return [f"{spec.name}: got {value!r}, expected {kind}"]
    if value < low or value > high or (open_low and value == low):
        upper = "" if high == math.inf else f" and at most {high:g}"
        return [f"{spec.name}: got {value!r}, allowed is {'more than' if open_low else 'at least'} {low:g}{upper}"]
    return []
