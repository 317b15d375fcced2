"""Labelling: case after case is labelled and written; what is there stays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import exclusive, lock_is_held
from nnunet_dsd.common.progress import track
from nnunet_dsd.labelling.prediction import Panel, PreparedCase, Verdict
from nnunet_dsd.labelling.work import Work, require_same
from nnunet_dsd.soft_labels.names import MANIFEST
from nnunet_dsd.trainers.preparation import preprocess, save_preprocessed, stored_blocks


def label(work: Work, *, say: Callable[[str], None]) -> list[str]:
    """Label the cases of the request's part that are not labelled yet; return the cases of all parts that are left.

    Args:
        work: As `prepare` returned it.
        say: Takes a line on what is done.

    Raises:
        SetupError: if the folder cannot be written, or another process works on cases of this part.
        DataError: if the folder holds soft labels that are not these.
    """
    soft_labels = work.soft_labels
    with _holding_part(soft_labels.folder, *work.request.part):
        require_same(soft_labels)
        if not (soft_labels.folder / MANIFEST).is_file():
            soft_labels.manifest.write(soft_labels.folder)
        mine = work.mine()
        soft_labels.clear(mine)
        say(f"{counted(len(mine), 'case')} to label, by {counted(len(work.teachers), 'model')}")
        panel = Panel(
            work.teachers,
            plans=work.plans,
            manager=work.manager,
            mirroring=work.request.mirroring,
            device=torch.device(work.request.device),
        )
        panel.load(sorted({position for case in mine for position in soft_labels.manifest.teachers_of(case)}))
        for case in track(mine, total=len(mine), description="labelling"):
            _label_case(work, panel, case)
    return soft_labels.missing()


@contextmanager
def _holding_part(folder: Path, part: int, parts: int) -> Iterator[None]:
    """Keep other processes from the cases of a part, also where they divide the cases otherwise."""
    with exclusive(_lock(folder, part, parts), busy=_busy(folder, part, parts)):
        for path in sorted(folder.glob(".part-*-of-*.lock")):
            _, other, _, of = path.stem.split("-")
            common = math.gcd(parts, int(of))
            if path != _lock(folder, part, parts) and part % common == int(other) % common and lock_is_held(path):
                raise SetupError(_busy(folder, int(other), int(of)))
        yield


def _lock(folder: Path, part: int, parts: int) -> Path:
    return folder / f".part-{part}-of-{parts}.lock"


def _busy(folder: Path, part: int, parts: int) -> str:
    return f"another process labels part {part}/{parts} of {folder}; wait for it"


def _label_case(work: Work, panel: Panel, case: str) -> None:
    soft_labels = work.soft_labels
    positions = soft_labels.manifest.teachers_of(case)
    if case in soft_labels.manifest.labelled:
        verdict = panel.ask(_labelled_case(work, case), positions)
    else:
        array, outside, properties = preprocess(work.images[case], work.plans, work.manager, work.dataset_json)
        prepared = PreparedCase(case, array, work.images[case], tuple(properties["spacing"]))
        verdict = panel.ask(prepared, positions)
        _save_image(work, case, array, outside, properties, verdict)
    blocks, chunks = stored_blocks((1, *verdict.disagreement.shape), work.manager, 1)
    soft_labels.write(
        case,
        verdict.probabilities,
        verdict.disagreement,
        (verdict.mean_disagreement, verdict.mean_everywhere),
        blocks=blocks[1:],
        chunks=chunks[1:],
    )


def _labelled_case(work: Work, case: str) -> PreparedCase:
    dataset = infer_dataset_class(str(work.preprocessed))(str(work.preprocessed), [case])
    array, _, _, properties = dataset.load_case(case)
    return PreparedCase(case, np.asarray(array[:], np.float32), work.images.get(case, ()), tuple(properties["spacing"]))


def _save_image(work: Work, case: str, array: Any, outside: Any, properties: dict[str, Any], verdict: Verdict) -> None:
    """Write an image without labels as nnU-Net writes a case, what the teachers find likeliest in the labels' place."""
    label_manager = work.plans.get_label_manager(work.dataset_json)
    likeliest = np.asarray(label_manager.convert_probabilities_to_segmentation(verdict.probabilities))
    labels = np.where(outside[0] < 0, outside[0], likeliest)[None].astype(np.int16)
    wanted = label_manager.foreground_regions if label_manager.has_regions else label_manager.foreground_labels
    wanted = [*wanted, [-1, *label_manager.all_labels]] if label_manager.has_ignore_label else wanted
    properties["class_locations"] = DefaultPreprocessor._sample_foreground_locations(labels, wanted)
    save_preprocessed(work.soft_labels.images, case, array, labels, properties, work.manager)
