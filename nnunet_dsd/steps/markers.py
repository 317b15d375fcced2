"""What is known about earlier runs of a list of steps: with which parameters, whether finished, how long they took."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nnunet_dsd import __version__
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import json_or_none
from nnunet_dsd.steps.step import Step

State = Literal["started", "finished"]


@dataclass(frozen=True)
class Marker:
    """Record of a step.

    Attributes:
        fingerprint: Hash of the parameters of the step and of all steps before it.
        state: Started, or finished.
        seconds: Time spent on it so far, over all attempts but those that were killed outright.
    """

    fingerprint: str
    state: State
    seconds: float = 0.0


class Markers:
    """The markers of a list of steps, a file for each."""

    def __init__(self, folder: Path, steps: Sequence[Step]) -> None:
        self._files: dict[str, Path] = {}
        self._fingerprints: dict[str, str] = {}
        previous = ""
        for number, step in enumerate(steps, start=1):
            previous = fingerprint(step.name, step.parameters, previous)
            self._fingerprints[step.name] = previous
            self._files[step.name] = folder / f"{number:02d}_{step.name}.json"

    def seconds_if_finished(self, step: Step) -> float | None:
        """Return how long a step took, or None where it has to be run: an earlier run of it cannot stand."""
        marker = read_marker(self._files[step.name])
        if marker is None or marker != Marker(self._fingerprints[step.name], "finished", marker.seconds):
            return None
        return None if step.missing_outputs() else marker.seconds

    def start(self, step: Step) -> float:
        """Note that a step starts; clear what it and later steps left, unless it goes on from there.

        Returns:
            Seconds spent on it in the attempts that it goes on from.
        """
        names = list(self._files)
        for later in names[names.index(step.name) + 1 :]:
            self._files[later].unlink(missing_ok=True)
        earlier = read_marker(self._files[step.name])
        started = Marker(self._fingerprints[step.name], "started", earlier.seconds if earlier else 0.0)
        if step.resume_words is None or earlier != started:
            remove((*step.owned, *([step.log] if step.log else [])))
            started = Marker(started.fingerprint, "started")
        write_json(self._files[step.name], asdict(started))
        return started.seconds

    def stop(self, step: Step, seconds: float) -> None:
        """Note that a step has failed or was interrupted after so many seconds in all."""
        write_json(self._files[step.name], asdict(Marker(self._fingerprints[step.name], "started", seconds)))

    def finish(self, step: Step, seconds: float) -> None:
        """Note that a step has finished after so many seconds in all."""
        write_json(self._files[step.name], asdict(Marker(self._fingerprints[step.name], "finished", seconds)))


def fingerprint(name: str, parameters: Mapping[str, Any], previous: str) -> str:
    """Hash a step's parameters together with the fingerprint of the step before it (empty for the first)."""
    content = json.dumps([__version__, name, dict(parameters), previous], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def read_marker(path: Path) -> Marker | None:
    """Read a marker; None if there is none, or what lies there is none."""
    try:
        return Marker(**json_or_none(path))
    except TypeError:  # no file, no object, or other entries
        return None


def remove(paths: Sequence[Path]) -> None:
    """Delete files and folders; those that do not exist are passed over."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
