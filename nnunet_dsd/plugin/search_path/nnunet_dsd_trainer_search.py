"""The one module nnU-Net's look-up imports: hands out every registered segmentation trainer, each only when asked for.

nnU-Net forgets this module after each look-up and imports it again. The classes live in ordinary modules, so they
stay the same objects and can be pickled.
"""

from __future__ import annotations

import warnings

try:
    from nnunet_dsd.common.likeness import nearest_names
    from nnunet_dsd.registry import installed_registry
except ModuleNotFoundError as error:
    # nnUNet_extTrainer is inherited by other interpreters. One without our package must still find its own trainers.
    if error.name not in ("nnunet_dsd", "nnunet_dsd.registry"):
        raise
    installed_registry = None  # type: ignore[assignment]

PREFIX = "nnUNetTrainer"  # of nearly all names, so that it makes none of them likely


def without_prefix(name: str) -> str:
    """Return what tells a trainer's name from others."""
    return name[len(PREFIX) :] if name.casefold().startswith(PREFIX.casefold()) else name


def __getattr__(name: str) -> type:
    """Return the trainer class of that name.

    Raises:
        AttributeError: No segmentation trainer of that name is registered; nnU-Net then searches on.
        RegistryError: It is registered, but more than once, or its module cannot be imported.
    """
    if installed_registry is None or name.startswith("__"):
        raise AttributeError(name)
    registry = installed_registry()
    entry = registry.trainers.get(name)
    if entry is not None and entry.kind == "segmentation":
        return entry.load()
    if name in registry.conflicts:
        registry.find(name)
    for problem in registry.problems:
        warnings.warn(f"trainers could not be used: {problem}", stacklevel=2)
    ours = [without_prefix(other.name) for other in registry.trainers.values() if other.kind == "segmentation"]
    if near := nearest_names(without_prefix(name), ours):
        meant = " or ".join(f"{PREFIX}{other}" for other in near)
        warnings.warn(f"there is no trainer {name}; did you mean {meant}? `nnunet-dsd list` shows all", stacklevel=2)
    raise AttributeError(f"no installed package registers a segmentation trainer {name!r}")
