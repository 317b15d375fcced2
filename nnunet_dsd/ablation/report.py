"""The comparison of a study's finished runs, by `nnunet-dsd compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.known_trainers import is_nnunets_own
from nnunet_dsd.ablation.places import Places, read_json
from nnunet_dsd.ablation.runs import Run, plan_runs
from nnunet_dsd.ablation.scoring import EVALUATION, is_scored, predictions_folder
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.steps.lock import claimed
from nnunet_dsd.steps.program import run_logged
from nnunet_dsd.steps.step import Words

OWN_BUDGET = "nnU-Net's own trainer: it reads no settings, its budget is nnU-Net's"


@dataclass(frozen=True)
class Beside:
    """What a report shows that is no run of its study, such as the teachers of students.

    Attributes:
        runs: Entries of the list that `nnunet-dsd compare --runs` reads.
        facts: By method, what its first table says beside the scores.
    """

    runs: tuple[dict[str, Any], ...] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write_report(study: Study, places: Places, beside: Beside) -> Path | None:
    """Compare the runs that are scored; return the folder of the report, or None where another process writes it.

    Args:
        study: The study.
        places: Where its files are.
        beside: What is shown with its runs.

    Raises:
        SetupError: if no run is scored yet.
        CommandFailedError: if the comparison fails.
    """
    runs = plan_runs(study)
    scored = [run for run in runs if is_scored(study, run, places)]
    if not scored:
        raise SetupError(
            f"none of the {len(runs)} runs of this study is finished, so there is nothing to compare; "
            "see what is missing with --list"
        )
    with claimed(places.study / ".report.lock") as claim:
        if claim is None:
            return None
        content = run_list(study, scored, places, planned=len(runs))
        facts = {"facts": beside.facts} if beside.facts else {}
        write_json(places.runs_json, {**content, "runs": [*content["runs"], *beside.runs], **facts})
        command = compare_command(study, scored, places)
        run_logged(command, log=places.study / "logs" / "compare.txt", claim=claim)
    return places.report


def not_drawn(report: Path) -> dict[str, str]:
    """Return why figures are missing in a report, by their names."""
    path = report / "comparison.json"
    return dict(read_json(path).get("not_drawn", {})) if path.is_file() else {}


def run_list(study: Study, scored: Sequence[Run], places: Places, *, planned: int) -> dict[str, Any]:
    """Return what `nnunet-dsd compare --runs` reads; the title says how many runs are missing.

    Args:
        study: The study.
        scored: The runs to compare.
        places: Where their files are.
        planned: How many runs the study has in all.
    """
    test = study.evaluate_on == "test"
    images = places.test_images if test else places.raw / "imagesTr"
    references = places.test_labels if test else places.training_references
    return {
        "title": title(study, scored, places, planned=planned),
        "baseline": study.baseline if has_baseline(study, scored) else None,
        "images": str(images) if images.is_dir() else None,
        "references": str(references),
        "dataset_json": str(places.dataset_json),
        "runs": [
            {
                "method": run.method,
                "fold": run.fold,
                "seed": run.seed,
                "evaluation": str(places.evaluation(run) / EVALUATION),
                "predictions": str(predictions_folder(study, run, places)),
                "notes": OWN_BUDGET if is_nnunets_own(run.trainer) else None,
            }
            for run in scored
        ],
    }


def title(study: Study, scored: Sequence[Run], places: Places, *, planned: int) -> str:
    """Return the report's title, with what is missing."""
    said = study.title or f"Study {study.name}: {study.evaluate_on} cases of {places.preprocessed.name}"
    missing = [f"{planned - len(scored)} of {planned} runs are missing"] if len(scored) < planned else []
    if study.baseline and not has_baseline(study, scored):
        missing.append(f"the baseline {study.baseline} is among them")
    return f"{said} ({', '.join(missing)})" if missing else said


def has_baseline(study: Study, scored: Sequence[Run]) -> bool:
    """Tell whether a run of the baseline is among those that are scored."""
    return study.baseline in [run.method for run in scored]


def compare_command(study: Study, scored: Sequence[Run], places: Places) -> Words:
    """Return the comparison; where folds of a method are missing, it is of the cases that all methods have."""
    words: Words = ("nnunet-dsd", "compare", "--runs", str(places.runs_json), "-o", str(places.report), "--overwrite")
    folds = {method: {run.fold for run in scored if run.method == method} for method in {run.method for run in scored}}
    common = study.evaluate_on == "validation" and len({frozenset(some) for some in folds.values()}) > 1
    return (*words, "--common-cases") if common else words
