"""Asks nnU-Net itself for a trainer, to see what `nnUNetv2_train -tr NAME` would use."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator


def find_with_nnunet(name: str) -> type:
    """Return the class that nnU-Net finds under a name, without what it prints. Imports nnU-Net (seconds).

    Raises:
        RuntimeError: nnU-Net finds no such trainer.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

        trainer: type = recursive_find_trainer_class_by_name(name)
    return trainer


@contextlib.contextmanager
def many_lookups() -> Iterator[None]:
    """While this is open, remember which loaded modules come from which folder: 98 % of the time of a look-up.

    At every look-up nnU-Net asks this of each of some thousand loaded modules, twice, and a module's answer never
    changes. Does nothing where nnU-Net has no such function, or is not there.
    """
    try:
        from nnunetv2.utilities import find_class_by_name as search
    except ImportError:  # the look-ups themselves will say so
        search = None
    asked = getattr(search, "_module_originates_from_path", None)
    if asked is None:
        yield
        return
    answers: dict[tuple[int, str], tuple[object, bool]] = {}

    def remembered(module: object, path: str) -> bool:
        key = id(module), path
        if key not in answers:
            answers[key] = module, asked(module, path)  # the module is kept, so that no other gets its id
        return answers[key][1]

    search._module_originates_from_path = remembered
    try:
        yield
    finally:
        search._module_originates_from_path = asked
