"""Points nnU-Net at our folder through `nnUNet_extTrainer`; called when Python starts, so standard library only."""

from __future__ import annotations

import os

SEARCH_PATH_VARIABLE = "nnUNet_extTrainer"
OPT_OUT_VARIABLE = "NNUNET_DSD_NO_AUTOLOAD"
# os.path and not pathlib: this runs in every Python process of the environment, where pathlib would cost the most.
SEARCH_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "search_path")


def extend_search_path() -> None:
    """Append our folder to `nnUNet_extTrainer`, unless it is there already or the opt-out variable is set.

    It comes last, so that a user's own trainer of the same name wins.
    """
    if not is_opted_out():
        os.environ[SEARCH_PATH_VARIABLE] = extended_search_path(os.environ.get(SEARCH_PATH_VARIABLE))


def is_opted_out() -> bool:
    """Whether `NNUNET_DSD_NO_AUTOLOAD` asks to leave the environment alone (anything but empty and `0` does)."""
    return os.environ.get(OPT_OUT_VARIABLE, "") not in ("", "0")


def extended_search_path(current: str | None) -> str:
    """The value of `nnUNet_extTrainer` with our folder in it; the folders that were there keep their order."""
    if is_on_search_path(current):
        return current or ""
    return os.pathsep.join([current, SEARCH_FOLDER]) if current else SEARCH_FOLDER


def is_on_search_path(current: str | None) -> bool:
    """Whether a value of `nnUNet_extTrainer` names our folder."""
    return any(_same_folder(folder, SEARCH_FOLDER) for folder in (current or "").split(os.pathsep) if folder)


def _same_folder(one: str, other: str) -> bool:
    return os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other))
