"""Which trainers read which settings, in words, from the catalogue alone. Light: imports no trainer and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nnunet_dsd.config.settings import setting_names
from nnunet_dsd.registry import TrainerEntry
from nnunet_dsd.trainers.catalog import BACKBONES, ENTRIES


def described_readers(name: str, entries: Iterable[TrainerEntry] = ENTRIES) -> str:
    """Return the trainers that read a setting, as an enumeration."""
    return _enumerated([entry.name for entry in entries if name in (entry.reads or ())])


def readers_of_part(part: str) -> str:
    """Return a sentence on which trainers of this package read the settings of one part."""
    names = set(setting_names(part))
    whole = [entry.name for entry in ENTRIES if names <= set(entry.reads or ())]
    partly = [e.name for e in ENTRIES if e.name not in whole and not names.isdisjoint(e.reads or ())]
    if len(whole) == len(ENTRIES):
        return "read by every trainer of this package"
    return f"read by {_enumerated(whole)}" + (f"; in part by {_enumerated(partly)}" if partly else "")


def _enumerated(trainers: Sequence[str]) -> str:
    """Return names of trainers; those that differ from another one by their network are summed up."""
    stems = tuple(f"nnUNetTrainer{backbone}" for backbone in BACKBONES)
    on_other_networks = [name for name in trainers if name.startswith(stems)]
    own = [name for name in trainers if name not in on_other_networks]
    if not own:
        return f"the trainers of {', '.join(BACKBONES)}"
    if on_other_networks:
        own.append(f"and those of other networks that end alike, such as {on_other_networks[0]}")
    return ", ".join(own)
