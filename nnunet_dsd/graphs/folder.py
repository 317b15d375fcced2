"""Writing what lies beside the graph of every deployed model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nnunet_dsd.common.files import write_text

Say = Callable[[str], None]


def write_leaflets(folder: Path, *, program: str, requirements: str, readme: str) -> None:
    """Write `predict.py`, `requirements.txt` and `README.md` into a folder."""
    for name, text in {"predict.py": program, "requirements.txt": requirements, "README.md": readme}.items():
        write_text(folder / name, text)


def how_to_predict(folder: Path, arguments: str) -> str:
    """Return in words what was written, and how it is used.

    Args:
        folder: Of the deployed model.
        arguments: Of its `predict.py`.
    """
    return (
        f"written: {folder}\npredict with, on any machine:\n  pip install -r {folder}/requirements.txt\n"
        f"  python {folder}/predict.py {arguments}"
    )
