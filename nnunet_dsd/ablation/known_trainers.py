"""Which trainers a study may name: registered ones, and those nnU-Net finds itself."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nnunet_dsd.common.errors import RegistryError
from nnunet_dsd.registry import all_trainers, require_segmentation_trainer


def trainer_problem(name: str) -> str | None:
    """Return what is wrong with a trainer's name, or None.

    Allowed are the registry's trainers of kind `segmentation`, and classes that are declared in nnU-Net's trainer
    folder or in a folder of `nnUNet_extTrainer`, which is where nnU-Net looks them up.
    """
    try:
        require_segmentation_trainer(name)
    except RegistryError as error:
        return None if is_nnunets_own(name) else str(error)
    return None


def is_nnunets_own(name: str) -> bool:
    """Tell whether a trainer is one of nnU-Net's or of a user's folder, which reads no settings from the plans."""
    return name not in _registered() and name in _declared_classes(os.environ.get("nnUNet_extTrainer", ""))


@cache
def _registered() -> frozenset[str]:
    return frozenset(entry.name for entry in all_trainers())


@cache
def _declared_classes(search_path: str) -> frozenset[str]:
    """Names of the classes in the folders nnU-Net searches, read as text: importing them would load torch."""
    pattern = re.compile(r"^class\s+(\w+)\s*[(:]", re.MULTILINE)
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in _searched_files(search_path))
    return frozenset(name for text in texts for name in pattern.findall(text))


def _searched_files(search_path: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("nnunetv2")
    folders = [Path(spec.origin).parent / "training" / "nnUNetTrainer"] if spec and spec.origin else []
    folders += [Path(text) for text in search_path.split(os.pathsep) if text]
    for folder in folders:
        yield from folder.rglob("*.py")
