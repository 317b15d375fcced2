"""The folder of a study: made for one declared study, to which runs may be added but in which none may change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.places import read_json
from nnunet_dsd.ablation.study import Study, study_to_dict
from nnunet_dsd.ablation.study_file import study_from_dict
from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.files import exclusive, write_json

STUDY_FILE = "study.json"
FIXED = ("name", "dataset", "configuration", "from_plans", "evaluate_on", "test_images", "test_labels", "mirroring")
GROWING: dict[str, Callable[[Study], list[Any]]] = {
    "folds": lambda study: list(study.folds),
    "seeds": lambda study: list(study.seeds),
    "trainers": lambda study: [f"{one.trainer} on '{plans}'" for one in study.trainers for plans in one.plans],
}


def check_study_folder(folder: Path, study: Study) -> None:
    """Refuse a folder that is not this study's.

    Title, labels, baseline and device may differ, and trainers, plans, folds and seeds may have been added.

    Raises:
        SetupError: if the folder holds something else, or cannot be a folder.
        DataError: if it was made for another study; the message holds the differences.
    """
    if folder.exists() and not folder.is_dir():
        raise SetupError(f"{folder} is a file; a study needs a folder of its own. Give another with -o")
    path = folder / STUDY_FILE
    if not path.is_file():
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise SetupError(f"{folder} is not empty and holds no {STUDY_FILE}; give an empty or new folder with -o")
        return
    recorded, problems = study_from_dict(read_json(path))
    differences = problems or study_differences(recorded, study)
    if differences:
        listed = "\n".join(f"  - {line}" for line in differences)
        raise DataError(
            f"{folder} was made for another study:\n{listed}\n"
            "Trainers, plans, folds and seeds may be added to a study; for other changes give another folder with -o, "
            "and another name in the study if its plans change"
        )


def open_study_folder(folder: Path, study: Study) -> None:
    """Make a folder the study's own, or come back to it; the study as run now is written to it.

    Raises:
        SetupError, DataError: as `check_study_folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"another process has been opening {folder} for long; end it, or give another folder with -o"
    with exclusive(folder / ".lock", busy=busy):
        check_study_folder(folder, study)
        write_json(folder / STUDY_FILE, study_to_dict(study))


def study_differences(recorded: Study, study: Study) -> list[str]:
    """Return what would change or remove a run that the recorded study has."""
    before, now = study_to_dict(recorded), study_to_dict(study)
    lines = [f"{name}: {before[name]!r} there, {now[name]!r} now" for name in FIXED if before[name] != now[name]]
    for name, plans in before["plans"].items():
        if name not in now["plans"]:
            lines.append(f"plans '{name}': there, not any more")
        elif now["plans"][name] != plans:
            lines.append(f"plans '{name}': {plans!r} there, {now['plans'][name]!r} now")
    for what, listed in GROWING.items():
        gone = [str(item) for item in listed(recorded) if item not in listed(study)]
        lines += [f"{what}: {', '.join(gone)} there, not any more"] if gone else []
    return lines
