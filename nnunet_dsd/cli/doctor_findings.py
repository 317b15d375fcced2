"""What one check of `nnunet-dsd doctor` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, a few words.
        state: `ok`; `warning`: works, but know this; `problem`: something will fail.
        found: What was seen.
        advice: What to do about it, empty if nothing.
    """

    check: str
    state: Literal["ok", "warning", "problem"]
    found: str
    advice: str = ""
