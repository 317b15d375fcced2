"""Where the labels of an evaluation come from: a dataset.json that is looked for, or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.evaluation.structures import LabelSet, label_set, other_labels, read_label_set

DATASET_JSON = "dataset.json"


def places_of_dataset_json(predictions: Path, references: Path) -> tuple[Path, ...]:
    """Where a dataset.json is looked for: beside and in the references, then in the predictions (nnU-Net's copy)."""
    folders = (references.resolve().parent, references, predictions)
    return tuple(folder / DATASET_JSON for folder in folders)


def find_dataset_json(predictions: Path, references: Path) -> Path | None:
    """Return the first dataset.json there is, or None.

    Raises:
        DataError: if two of them name different labels: predictions and references may not mean the same.
    """
    found = [path for path in places_of_dataset_json(predictions, references) if path.is_file()]
    for other in found[1:]:
        first, second = read_label_set(found[0]), read_label_set(other)
        if set(first.structures) != set(second.structures):
            there, here, reason = other_labels(first.structures, second.structures)
            raise DataError(
                f"{found[0]} and {other} name different labels, so these may be predictions of another data set:\n"
                f"  - {found[0]} has {there}\n"
                f"  - {other} has {here}\n"
                f"{reason} Give predictions and references of one data set; if they are, say which file holds with "
                "--dataset-json."
            )
        if first.ignore_label != second.ignore_label:
            raise DataError(
                f"{found[0]} has {_ignored(first)} and {other} has {_ignored(second)}; say which file holds with "
                "--dataset-json."
            )
    return found[0] if found else None


def _ignored(labels: LabelSet) -> str:
    return "no `ignore` label" if labels.ignore_label is None else f"`ignore` {labels.ignore_label}"


def resolve_labels(
    predictions: Path, references: Path, *, dataset_json: Path | None = None, words: Sequence[str] = ()
) -> tuple[LabelSet, Path | None]:
    """Decide what is evaluated.

    Structures are those of the words, if there are any, else those of the dataset.json. File ending, known values
    and, unless the words hold one, the `ignore` label are the dataset.json's.

    Args:
        predictions: folder, where a dataset.json is looked for.
        references: folder, the same.
        dataset_json: the file, or the folder it is in, given by the user; nothing is looked for then.
        words: such as `head=1`, `whole=1,2`.

    Returns:
        The label set, and the dataset.json it was made with; None: there is none, which only words allow.

    Raises:
        DataError: if labels are not to be found, or contradict each other.
        SettingsError: if words are wrong.
    """
    wanted = label_set(parse_labels(words)) if words else None
    if dataset_json is not None and dataset_json.is_dir():
        dataset_json = dataset_json / DATASET_JSON
    path = dataset_json or find_dataset_json(predictions, references)
    if path is None:
        if wanted is None:
            looked = "\n".join(f"  - {place}" for place in places_of_dataset_json(predictions, references))
            raise DataError(
                f"There is no dataset.json to name the labels; it was looked for at\n{looked}\n"
                "Say where it is with --dataset-json, or name the labels with --labels."
            )
        return replace(wanted, known_values=None), None
    data_set = read_label_set(path)
    return (data_set if wanted is None else _restrict(data_set, wanted, path)), path


def parse_labels(words: Sequence[str]) -> dict[str, int | list[int]]:
    """Read labels from words such as `head=1` and `whole=1,2`, into the form of a dataset.json.

    Raises:
        SettingsError: with every word that is wrong.
    """
    labels: dict[str, int | list[int]] = {}
    problems = []
    for word in words:
        name, _, values = (part.strip() for part in word.partition("="))
        numbers = values.split(",")
        if not name or not all(number.isascii() and number.isdigit() for number in numbers):
            problems.append(f"{word!r}: NAME=VALUE or NAME=VALUE,VALUE with whole numbers is needed, such as head=1")
        elif name in labels:
            problems.append(f"{word!r}: {name} is named twice")
        else:
            labels[name] = [int(number) for number in numbers] if len(numbers) > 1 else int(numbers[0])
    if problems:
        raise SettingsError(problems, source="--labels")
    return labels


def _restrict(data_set: LabelSet, wanted: LabelSet, path: Path) -> LabelSet:
    """Take the structures that are wanted, and everything else from the data set."""
    known = data_set.known_values or frozenset()
    named = {label for structure in wanted.structures for label in structure.labels}
    unknown = sorted((named | ({wanted.ignore_label} if wanted.ignore_label is not None else set())) - known)
    if unknown:
        raise DataError(f"--labels names the values {unknown}, but {path} has {sorted(known)} only.")
    ignore = data_set.ignore_label if wanted.ignore_label is None else wanted.ignore_label
    sharing = [structure.name for structure in wanted.structures if ignore in structure.labels]
    if sharing:
        raise DataError(
            f"--labels names the value {ignore} for {', '.join(sharing)}, and {path} leaves it out as `ignore`; an "
            "evaluation that leaves it out cannot measure it."
        )
    return replace(data_set, structures=wanted.structures, ignore_label=ignore)
