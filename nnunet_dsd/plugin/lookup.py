"""Asks nnU-Net itself for a trainer, to see what `nnUNetv2_train -tr NAME` would use."""

from __future__ import annotations

import contextlib
import io
import warnings


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
