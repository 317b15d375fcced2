"""The commands of a distillation as a user would type them, and its request for soft labels."""

from __future__ import annotations

from typing import Any

from nnunet_dsd.labelling.request import Request
from nnunet_dsd.pipelines.request import Distillation
from nnunet_dsd.steps.step import Words


def label_request(asked: Distillation) -> Request:
    """Return the request for the soft labels of a distillation."""
    return Request(
        dataset=asked.dataset,
        configuration=asked.configuration,
        plans=asked.from_plans,
        teachers=asked.teachers,
        folds=asked.teacher_folds,
        checkpoint=asked.checkpoint,
        unlabelled=asked.unlabelled,
        name=asked.name,
        mirroring=asked.mirroring,
        device=asked.device or "cpu",
    )


def label_command(asked: Distillation) -> Words:
    """Return the command that makes the soft labels."""
    words = ["nnunet-dsd", "soft-labels", "-d", asked.dataset, "-c", asked.configuration, "-p", asked.from_plans]
    words += ["--teacher", *asked.teachers, "-o", asked.name, "--checkpoint", asked.checkpoint]
    words += ["--folds", *asked.teacher_folds] if asked.teacher_folds else []
    words += ["--unlabelled", str(asked.unlabelled)] if asked.unlabelled else []
    words += ["--device", asked.device] if asked.device else []
    words += [] if asked.mirroring else ["--no-mirroring"]
    return tuple(words)


def distill_command(asked: Distillation) -> Words:
    """Return the command of a distillation."""
    words = ["nnunet-dsd", "distill", "-d", asked.dataset, "-c", asked.configuration, "-p", asked.from_plans]
    words += ["-o", str(asked.folder.absolute()), "--name", asked.name, "--teacher", *asked.teachers]
    words += ["--checkpoint", asked.checkpoint, "--fold", str(asked.fold), "--seeds", *map(str, asked.seeds)]
    words += ["--folds", *asked.teacher_folds] if asked.teacher_folds else []
    words += ["--unlabelled", str(asked.unlabelled.absolute())] if asked.unlabelled else []
    words += ["--test", *(str(folder.absolute()) for folder in asked.test)] if asked.test else []
    words += ["--patch-size", *map(str, asked.patch_size)] if asked.patch_size else []
    options = {"width": asked.width, "batch-size": asked.batch_size, "start": asked.start, "device": asked.device}
    for name, value in {**options, **asked.settings}.items():
        words += option_words(name, value)
    return tuple(words if asked.mirroring else [*words, "--no-mirroring"])


def option_words(name: str, value: Any) -> list[str]:
    """Return how an option of a setting is typed; nothing where it has no value."""
    flag = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{flag}"]
    if isinstance(value, tuple):
        return [f"--{flag}", *(map(str, value) if value else ("none",))]
    return [f"--{flag}", str(value)]
