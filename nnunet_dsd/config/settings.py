"""All settings together, read from and written to a block of their own in nnU-Net's plans.

The block sits in one configuration of a plans file, under the key `self_distillation`, and has a part for each method:
`{"dual": {"alpha": 0.1}, "training": {"epochs": 100}}`. Blocks of earlier versions had no parts and are still read. A
block survives into the results folder's `plans.json` and into every checkpoint, and with a plans name of its own each
set of settings gets a results folder of its own.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nnunet_dsd.common.declared_settings import declared_choices, declared_type, merged_settings
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import nearest
from nnunet_dsd.common.settings_part import SettingsPart
from nnunet_dsd.config.training_settings import TrainingSettings
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.epochwise_settings import EpochwiseSettings
from nnunet_dsd.distillation.feedback_settings import FeedbackSettings
from nnunet_dsd.distillation.kd_settings import SoftLabelSettings
from nnunet_dsd.distillation.missu_settings import MissuSettings
from nnunet_dsd.networks.network_settings import NetworkSettings

PLANS_KEY = "self_distillation"
DERIVED_FROM_KEY = "self_distillation_derived_from"  # at the top of derived plans: the name of the original ones
SOURCE = f"the plans' block '{PLANS_KEY}'"
BESIDE = "beside the parts"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a plans file can say about a training, by method; the names of settings are unique across methods.

    Raises:
        SettingsError: if settings of different methods do not go together.
    """

    dual: DualSettings = field(default_factory=DualSettings)
    missu: MissuSettings = field(default_factory=MissuSettings)
    hlfd: FeedbackSettings = field(default_factory=FeedbackSettings)
    kd: SoftLabelSettings = field(default_factory=SoftLabelSettings)
    epochwise: EpochwiseSettings = field(default_factory=EpochwiseSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        problems = []
        if self.hlfd.feedback_cache and self.training.augmentation:
            problems.append(
                f"feedback_cache: got {self.hlfd.feedback_cache} with augmentation, which makes every patch a new one; "
                "leave the cache out, or train without augmentation (--no-augmentation)"
            )
        if self.dual.dice_background and self.hlfd.supervised_loss == "focal_dice":
            problems.append(
                "dice_background: the focal loss plus Dice (supervised_loss focal_dice) leaves the background out; "
                "take one of the two"
            )
        if problems:
            raise SettingsError(problems, source="the self-distillation settings")

    def flat(self) -> dict[str, Any]:
        """Return every setting by its name, in their documented order."""
        return {name: value for part in PARTS for name, value in dataclasses.asdict(getattr(self, part)).items()}

    def differences(self, base: Settings | None = None) -> dict[str, Any]:
        """Return the settings that differ from others, or from the defaults, by their names."""
        others = (base or Settings()).flat()
        return {name: value for name, value in self.flat().items() if value != others[name]}


PARTS: Mapping[str, type[SettingsPart]] = typing.get_type_hints(Settings)


def setting_specs(part: str | None = None) -> tuple[dataclasses.Field[Any], ...]:
    """Return how the settings of one part are declared, or those of all, in their documented order."""
    owners: list[Any] = list(PARTS.values()) if part is None else [PARTS[part]]
    return tuple(spec for owner in owners for spec in dataclasses.fields(owner))


def setting_names(part: str | None = None) -> tuple[str, ...]:
    """Return the names of the settings of one part, or of all, in their documented order."""
    return tuple(spec.name for spec in setting_specs(part))


PART_OF: Mapping[str, str] = {name: part for part in PARTS for name in setting_names(part)}


def setting_type(name: str) -> Any:
    """Return the declared type of a setting, without the `| None` of an optional one."""
    return declared_type(PARTS[PART_OF[name]], name)


def setting_choices(name: str) -> tuple[str, ...] | None:
    """Return the allowed words of a setting, or None where it is a number or a switch."""
    return declared_choices(PARTS[PART_OF[name]], name)


def read_settings(
    block: Mapping[str, Any] | None,
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = SOURCE,
) -> Settings:
    """Build settings from a plans block, by parts or flat.

    Args:
        block: The block as read from the plans, or None where the plans have none.
        defaults: What a trainer uses where the block is silent, by name.
        fixed: What makes a trainer the variant it is, by name; wins over the block.
        source: Where the block comes from, for the error message.

    Raises:
        SettingsError: listing every unknown key (with its nearest match), every setting in the wrong part, and every
            impossible value.
    """
    given, problems = _flattened(block)
    values, parts = {**(defaults or {}), **given, **(fixed or {})}, {}
    problems += _unknown(values)
    for part, owner in PARTS.items():
        of_part = {name: value for name, value in values.items() if PART_OF.get(name) == part}
        try:
            parts[part] = owner(**merged_settings(owner, of_part, source=source))
        except SettingsError as error:
            problems += error.problems
    try:
        settings = Settings(**typing.cast(Any, parts))  # tells what does not go together though parts are wrong
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems, source=source)
    return settings


def flat_block(block: Mapping[str, Any] | None, *, source: str = SOURCE) -> dict[str, Any]:
    """Return what a plans block says by the names of the settings, whose values are not checked.

    Raises:
        SettingsError: listing every setting that is twice or in the wrong part, and every part that there is not.
    """
    values, problems = _flattened(block)
    if problems:
        raise SettingsError(problems, source=source)
    return values


def grouped_block(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the block that says these settings, given by their names: a table for each part that has any.

    Raises:
        SettingsError: if there is no setting of such a name.
    """
    if problems := _unknown(values):
        raise SettingsError(problems, source=SOURCE)
    tables = {part: {name: values[name] for name in values if PART_OF[name] == part} for part in PARTS}
    return {part: table for part, table in tables.items() if table}


def _unknown(values: Mapping[str, Any]) -> list[str]:
    return [f"unknown setting '{name}'{nearest(name, PART_OF)}" for name in values if name not in PART_OF]


def _flattened(block: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what a block says by the names of the settings, and what is wrong with its form."""
    if block is None:
        return {}, []
    if not isinstance(block, Mapping):
        return {}, [f"expected a table of settings, got {type(block).__name__}"]
    tables = {key: value for key, value in block.items() if _is_part(key, value)}
    beside = {key: value for key, value in block.items() if key not in tables}
    places = {part: table for part, table in tables.items() if part in PARTS and isinstance(table, Mapping)}
    problems = [_no_part(part, table) for part, table in tables.items() if part not in places]
    if not places:
        return beside, problems
    places[BESIDE] = beside
    named = {name: [place for place in places if name in places[place]] for table in places.values() for name in table}
    problems += [problem for name, found in named.items() for problem in _misplaced(name, found)]
    known = {name: found[-1] for name, found in named.items() if name in PART_OF or found == [BESIDE]}
    return {name: places[place][name] for name, place in known.items()}, problems


def _is_part(key: str, value: Any) -> bool:
    """Tell whether an entry of a block is meant for a part: by its name, or as a table that is no setting's value."""
    return key in PARTS or (isinstance(value, Mapping) and (key not in PART_OF or not PART_OF.keys().isdisjoint(value)))


def _no_part(key: str, value: Any) -> str:
    if key in PARTS:
        return f"'{key}' is {value!r}, expected a table of settings of {PARTS[key].title}"
    owners = dict.fromkeys(f"'{PART_OF[name]}'" for name in value if name in PART_OF)
    hint = f"; what is in it belongs into {' and '.join(owners)}" if owners else nearest(key, PARTS)
    return f"there is no part '{key}'{hint}"


def _misplaced(name: str, places: list[str]) -> Iterator[str]:
    """Yield what is wrong with where a setting is named: at most one sentence."""
    shown = [place if place == BESIDE else f"in '{place}'" for place in places]
    if name not in PART_OF:
        if places != [BESIDE]:  # what is unknown there is told with what is unknown in a flat block
            yield f"unknown setting '{name}' {shown[0]}{nearest(name, PART_OF)}"
    elif len(places) > 1:
        yield f"'{name}' is named {' and '.join(shown)}; it belongs into '{PART_OF[name]}' alone"
    elif places != [PART_OF[name]]:
        yield f"'{name}' stands {shown[0]}; it belongs into '{PART_OF[name]}'"
