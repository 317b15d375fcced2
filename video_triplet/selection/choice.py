"""The choice as a file: which epochs of which teachers label the frames, why, and on which videos that was decided.

A JSON object of `schema`, `strategy`, `criterion`, `rule`, `mean`, `why` (sentences), `training` and `selected_on`
(names of videos), `members` (each with `run`, relative to the file, `epoch`, `seed` and `checkpoint`, the hash of its
weights) and `content_hash` over everything else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import read_json
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.models.kept_epochs import epochs_as_text
from video_triplet.predictions.file import Predictions, average, load_predictions
from video_triplet.predictions.pooling import MEANS, Mean
from video_triplet.selection.epoch_predictions import predictions_path

SCHEMA = 1


@dataclass(frozen=True)
class ChosenEpoch:
    """One member.

    Attributes:
        run: Folder of the training, relative to the choice file.
        epoch: From 1.
        seed: Of the training.
        checkpoint: Hash of the epoch's weights.
    """

    run: str
    epoch: int
    seed: int
    checkpoint: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which epochs are averaged, and how that came about.

    Attributes:
        strategy: Its name.
        criterion: Its name; "" where none took part.
        rule: The criterion's rule in words, or "".
        mean: Which mean of the members' probabilities.
        why: Sentences for people.
        training: The videos that all members were trained on, and that may be labelled.
        selected_on: The inner-validation videos if their labels took part in the choice, otherwise none.
        members: At least one.
    """

    strategy: str
    criterion: str
    rule: str
    mean: Mean
    why: tuple[str, ...]
    training: tuple[str, ...]
    selected_on: tuple[str, ...]
    members: tuple[ChosenEpoch, ...]

    def content(self) -> dict[str, Any]:
        """Return what a file holds, but for its hash."""
        return {"schema": SCHEMA, **json.loads(json.dumps(asdict(self)))}

    @property
    def content_hash(self) -> str:
        """SHA-256 over the content, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file as a whole."""
        write_json(path, {**self.content(), "content_hash": self.content_hash})

    def describe(self) -> str:
        """Return the members in a few words, such as `seed 1: epochs 3-5`."""
        epochs: dict[int, list[int]] = {}
        for member in self.members:
            epochs.setdefault(member.seed, []).append(member.epoch)
        return "; ".join(f"seed {seed}: epochs {epochs_as_text(found)}" for seed, found in epochs.items())


def load_choice(path: Path) -> Choice:
    """Read a file that `Choice.save` wrote.

    Raises:
        DataError: if it is missing, not a choice, or was changed.
    """
    advice = "make it with `video-triplet select-teacher`"

    def broken(reason: str) -> str:
        return f"{path} is not a choice of teachers ({reason}); {advice}"

    content = read_json(path, missing=f"there is no file {path}; {advice}", broken=broken)
    try:
        if content["schema"] != SCHEMA or content["mean"] not in MEANS or not content["members"]:
            raise ValueError(f"schema {content['schema']}, mean {content['mean']!r}, {len(content['members'])} members")
        values = {spec.name: content[spec.name] for spec in fields(Choice)}
        values |= {name: tuple(values[name]) for name in ("why", "training", "selected_on")}
        choice = Choice(**{**values, "members": tuple(ChosenEpoch(**member) for member in values["members"])})
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(broken(f"{type(error).__name__}: {error}")) from error
    if choice.content_hash != content.get("content_hash"):
        raise DataError(f"{path} was changed since it was written, so its reasons no longer hold; {advice}")
    return choice


def chosen_soft_labels(choice: Choice, path: Path) -> Predictions:
    """Return the members' mean probabilities for the frames they were trained on.

    Their records say on which videos the epochs were chosen, so that later steps refuse what would leak.

    Args:
        choice: As read.
        path: Of its file; the members' runs are found from there.

    Raises:
        DataError: if a member's predictions are missing, or are not of the chosen weights.
        LeakError: if they label other videos than the choice says.
    """
    labelled = [_member_labels(choice, member, path.parent / member.run) for member in choice.members]
    return average(labelled, choice.mean)


def relative_folder(run: Path, choice_file: Path) -> str:
    """Return a run's folder as the choice file names it."""
    return Path(os.path.relpath(run.resolve(), choice_file.parent.resolve())).as_posix()


def _member_labels(choice: Choice, member: ChosenEpoch, run: Path) -> Predictions:
    path = predictions_path(run, member.epoch, "training")
    if not path.is_file():
        raise DataError(
            f"there is no {path}; keep the runs where they are beside the choice, or run `video-triplet "
            "select-teacher` again"
        )
    found = load_predictions(path)
    records: Sequence[ModelRecord] = found.models
    if [record.checkpoint for record in records] != [member.checkpoint]:
        raise DataError(
            f"{path} was not made by the weights that were chosen; run `video-triplet select-teacher` again"
        )
    if found.kind != "soft labels" or set(found.videos) != set(choice.training):
        raise LeakError(f"{path} labels other videos than those the teachers were trained on, {choice.training}")
    selected = tuple(sorted({*records[0].selected_on, *choice.selected_on}))
    return replace(found, models=(replace(records[0], selected_on=selected),))
