"""The runs of a study: each a training of nnU-Net's, followed by its scores."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_dsd.ablation.study import Fold, Study


@dataclass(frozen=True)
class Run:
    """One trainer on one set of plans, fold and seed.

    Attributes:
        method: Its row in the report.
        trainer: Name for nnU-Net's `-tr`.
        plans: Name of the derived plans, for nnU-Net's `-p`.
        choice: Name of those plans within the study.
        configuration: nnU-Net's.
        fold: Number, or "all".
        seed: Of weights and sampling.
    """

    method: str
    trainer: str
    plans: str
    choice: str
    configuration: str
    fold: Fold
    seed: int

    @property
    def model(self) -> str:
        """Name of nnU-Net's results folder."""
        return f"{self.trainer}__{self.plans}__{self.configuration}"

    @property
    def name(self) -> str:
        """Name of the run, unique in the study and usable as a file's name."""
        return f"{self.model}__fold_{self.fold}"


def plan_runs(study: Study) -> tuple[Run, ...]:
    """Return all runs, all methods of one seed and fold before the next: a study cut short compares like with like."""
    return tuple(
        Run(
            method=choice.method(plans),
            trainer=choice.trainer,
            plans=study.plans_name(plans, seed),
            choice=plans,
            configuration=study.configuration,
            fold=fold,
            seed=seed,
        )
        for seed in study.seeds
        for fold in study.folds
        for choice in study.trainers
        for plans in choice.plans
    )
