"""nnU-Net's three folders, as its environment variables name them."""

from __future__ import annotations

import os
from pathlib import Path

from nnunet_dsd.common.errors import SetupError


def nnunet_folder(variable: str) -> Path:
    """Return the folder that `nnUNet_raw`, `nnUNet_preprocessed` or `nnUNet_results` names.

    Raises:
        SetupError: if the variable is not set, or names no folder.
    """
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        raise SetupError(
            f"{variable} is {repr(value) if value else 'not set'}, expected an existing folder: "
            f"export {variable}=/path/to/{variable} (see `nnunet-dsd doctor`)"
        )
    return Path(value)
