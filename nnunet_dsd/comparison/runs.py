"""Which runs are compared: read from a file, or from METHOD=FILE words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import listed
from nnunet_dsd.evaluation.label_source import find_dataset_json

TITLE = "Comparison of runs"
EVALUATION = "evaluation.json"
EVALUATION_FOLDER = "evaluation"  # in the predictions, where `nnunet-dsd evaluate` is not told otherwise


@dataclass(frozen=True)
class Run:
    """One evaluated training: a method on one fold with one seed.

    Attributes:
        method: its name in tables and figures.
        evaluation: the JSON file of `nnunet-dsd evaluate`.
        fold: number or name; None if it is not known.
        seed: None if it is not known.
        predictions: folder with the label images that were evaluated; None if they are not to be drawn.
        notes: anything worth printing beside the run.
    """

    method: str
    evaluation: Path
    fold: int | str | None = None
    seed: int | None = None
    predictions: Path | None = None
    notes: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether fold or seed tell the run from others of its method."""
        return self.fold is not None or self.seed is not None

    @property
    def label(self) -> str:
        """How messages name the run."""
        parts = [
            f"fold {self.fold}" if self.fold is not None else "",
            f"seed {self.seed}" if self.seed is not None else "",
        ]
        return " ".join([self.method, *(part for part in parts if part)])

    @property
    def full_label(self) -> str:
        """How messages name the run where several may have its label: with its file if fold and seed are unknown."""
        return self.label if self.is_known else f"{self.label} ({self.evaluation})"


@dataclass(frozen=True)
class RunList:
    """The runs of a comparison and what is needed to draw their cases.

    Attributes:
        runs: in the order of the tables.
        title: heading of the report.
        baseline: the method that the others are compared with; None: the first one.
        images: nnU-Net's folder of images, for example `imagesTr`.
        references: folder of reference label images, for example `labelsTr`.
        dataset_json: nnU-Net's dataset.json; only its file ending is used.
        facts: what else is known of methods, by method and name, for the report's first table.
    """

    runs: tuple[Run, ...]
    title: str = TITLE
    baseline: str | None = None
    images: Path | None = None
    references: Path | None = None
    dataset_json: Path | None = None
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods in the order of the runs."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    @property
    def baseline_method(self) -> str:
        """The method that the others are compared with."""
        return self.baseline or self.methods[0]

    def of(self, method: str) -> tuple[Run, ...]:
        """The runs of one method."""
        return tuple(run for run in self.runs if run.method == method)


def run_names(runs: Sequence[Run]) -> dict[Run, str]:
    """Name each run for a reader of the report: by fold and seed, or by its number among its method's runs.

    Files are not named: where they lie on this machine is no matter of a report.
    """
    counts: dict[str, int] = {}
    names = {}
    for run in runs:
        counts[run.method] = counts.get(run.method, 0) + 1
        names[run] = run.label if run.is_known else f"{run.label} run {counts[run.method]}"
    single = {run for run in names if counts[run.method] == 1}
    return {run: run.label if run in single else name for run, name in names.items()}


def run_list_from_words(words: Sequence[str]) -> RunList:
    """Build the runs from METHOD=FILE words; a method that is repeated has several runs.

    Raises:
        SettingsError: with every word that is something else, and everything `require_sound` finds.
    """
    wrong = [word for word in words if not all(part.strip() for part in word.partition("="))]
    if wrong:
        problems = [f"{word!r} is not of the form METHOD=EVALUATION.json" for word in wrong]
        raise SettingsError(problems, source="the command line")
    runs = tuple(Run(word.partition("=")[0].strip(), Path(word.partition("=")[2]).expanduser()) for word in words)
    return require_sound(RunList(runs), source="the command line")


def with_pictures(run_list: RunList, *, images: Path | None, references: Path | None) -> RunList:
    """Return the runs with what is needed to draw their cases.

    A run's predictions are the folder in which `nnunet-dsd evaluate` made `evaluation/evaluation.json`.

    Args:
        run_list: built from words.
        images: nnU-Net's folder of images; None: nothing is drawn.
        references: folder of reference label images.

    Raises:
        SettingsError: if one of the folders is named without the other, or does not exist.
        DataError: if the folders name different labels.
    """
    if images is None and references is None:
        return run_list
    if images is None or references is None:
        raise SettingsError(
            ["--images and --references go together: cases are drawn with both"], source="the command line"
        )
    runs = tuple(replace(run, predictions=_evaluated_folder(run)) for run in run_list.runs)
    known = [run.predictions for run in runs if run.predictions is not None]
    dataset_json = find_dataset_json(known[0] if known else references, references)
    drawn = replace(run_list, runs=runs, images=images, references=references, dataset_json=dataset_json)
    return require_sound(drawn, source="the command line")


def _evaluated_folder(run: Run) -> Path | None:
    folder = run.evaluation.absolute().parent
    return folder.parent if folder.name == EVALUATION_FOLDER else None


def with_baseline(run_list: RunList, baseline: str | None) -> RunList:
    """Return the runs with another baseline; None keeps the one they have.

    Raises:
        SettingsError: if no run is of that method.
    """
    if baseline is None:
        return run_list
    return require_sound(replace(run_list, baseline=baseline.strip()), source="--baseline")


def require_sound(run_list: RunList, *, source: str) -> RunList:
    """Return the list if every file is there, no run is given twice, and the baseline is one of the methods.

    Raises:
        SettingsError: with every problem.
    """
    problems = [*missing_files(run_list), *_repeated(run_list.runs)]
    if not run_list.runs:
        problems.append("there is no run; give at least one")
    elif run_list.baseline_method not in run_list.methods:
        problems.append(
            f"the baseline {run_list.baseline!r} has no run; there are {listed(run_list.baseline, run_list.methods)}"
        )
    if problems:
        raise SettingsError(problems, source=source)
    return run_list


def missing_files(run_list: RunList) -> list[str]:
    """Return a sentence for every file or folder of a list that does not exist."""
    problems = []
    for run in run_list.runs:
        if run.evaluation.is_dir():
            problems.append(f"{run.label}: the evaluation {run.evaluation} is a folder; {_advice(run.evaluation)}")
        elif not run.evaluation.is_file():
            problems.append(f"{run.label}: the evaluation {run.evaluation} does not exist")
        if run.predictions is not None and not run.predictions.is_dir():
            problems.append(f"{run.label}: the folder of predictions {run.predictions} does not exist")
    for name, folder in (("images", run_list.images), ("references", run_list.references)):
        if folder is not None and not folder.is_dir():
            problems.append(f"{name}: the folder {folder} does not exist")
    if run_list.dataset_json is not None and not run_list.dataset_json.is_file():
        problems.append(f"dataset_json: the file {run_list.dataset_json} does not exist")
    return problems


def _advice(folder: Path) -> str:
    """Say which file of a folder is meant: one that was written into it, or beside the predictions that it holds."""
    found = [str(file) for file in (folder / EVALUATION, folder / "evaluation" / EVALUATION) if file.is_file()]
    if not found:
        return f"give the {EVALUATION} that nnunet-dsd evaluate writes; there is none in it"
    return f"give the file in it: {' or '.join(found)}"


def _repeated(runs: Sequence[Run]) -> list[str]:
    problems = []
    files: dict[Path, Run] = {}
    names: dict[tuple[str, str, int | None], Run] = {}
    for run in runs:
        file, name = run.evaluation.resolve(), (run.method, str(run.fold), run.seed)
        if file in files:
            problems.append(f"{run.label}: {run.evaluation} is given already, for {files[file].label}")
        elif name in names and (run.fold is not None or run.seed is not None):
            problems.append(f"{run.label}: given twice; tell the runs apart by fold or seed")
        files.setdefault(file, run)
        names.setdefault(name, run)
    return problems
