"""The trainers of this package, as the registry lists them. Light: imports no trainer and no torch."""

from __future__ import annotations

from nnunet_dsd.registry import TrainerEntry

ENTRIES: tuple[TrainerEntry, ...] = ()
