"""Which model made a file, and which videos it has seen: what lets a later step refuse a leak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nnunet_dsd.common.errors import DataError


class LeakError(DataError):
    """Videos that a model has seen would be used as if it had not."""


@dataclass(frozen=True)
class ModelRecord:
    """One trained model.

    Attributes:
        trainer: Its name in the registry.
        checkpoint: SHA-256 of the checkpoint file, in hexadecimal.
        epoch: How many epochs it had trained.
        seed: Of its weights and batches.
        fold: The fold it was trained for, or None.
        trained_on: Videos whose labels it was trained with, its teachers' included.
        selected_on: Videos whose labels chose the epoch, its teachers' included.
        soft_labels: SHA-256 of the soft labels it learned from, or "".
    """

    trainer: str
    checkpoint: str
    epoch: int
    seed: int
    fold: int | None
    trained_on: tuple[str, ...]
    selected_on: tuple[str, ...]
    soft_labels: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what a JSON file holds."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelRecord:
        """Read what `to_json` wrote.

        Raises:
            DataError: if an entry is missing or unknown.
        """
        names = {spec.name for spec in fields(cls)}
        if set(content) != names:
            raise DataError(f"not the record of a model: differs in the entries {sorted(set(content) ^ names)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**values)


def videos_trained_on(models: Iterable[ModelRecord]) -> set[str]:
    """Return every video whose labels one of the models was trained with."""
    return {video for model in models for video in model.trained_on}


def videos_selected_on(models: Iterable[ModelRecord]) -> set[str]:
    """Return every video whose labels chose the epoch of one of the models."""
    return {video for model in models for video in model.selected_on}


def refuse_trained_on(models: Iterable[ModelRecord], videos: Iterable[str], *, purpose: str) -> None:
    """Refuse videos that one of the models was trained on.

    Raises:
        LeakError: with the videos and the purpose they were meant for.
    """
    seen = sorted(videos_trained_on(models) & set(videos))
    if seen:
        raise LeakError(
            f"{purpose}: {', '.join(seen)} {'was' if len(seen) == 1 else 'were'} used to train this model or its "
            "teacher, so the result would be no measure of it. Use the model of the fold that sets "
            f"{'this video' if len(seen) == 1 else 'these videos'} apart"
        )
