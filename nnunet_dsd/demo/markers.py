"""What is known about earlier runs of a step: which parameters it ran with, whether it finished, how long it took."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nnunet_dsd import __version__
from nnunet_dsd.common.files import write_json

State = Literal["started", "finished"]


@dataclass(frozen=True)
class Marker:
    """Record of a step.

    Attributes:
        fingerprint: hash of the parameters of the step and of all steps before it.
        state: started, or finished.
        seconds: time spent on it so far, over all attempts but those that were killed outright.
    """

    fingerprint: str
    state: State
    seconds: float = 0.0


def fingerprint(name: str, parameters: Mapping[str, Any], previous: str) -> str:
    """Hash a step's parameters together with the fingerprint of the step before it (empty for the first)."""
    content = json.dumps([__version__, name, dict(parameters), previous], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def read_marker(path: Path) -> Marker | None:
    """Read a marker; None if there is none, or what lies there is none."""
    try:
        return Marker(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def write_marker(path: Path, marker: Marker) -> None:
    """Write a marker as a whole."""
    write_json(path, asdict(marker))
