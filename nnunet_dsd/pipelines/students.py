"""The students and their controls, declared as a study: the same start, the same number of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nnunet_dsd.ablation.study import PlansChoice, Study, TrainerChoice
from nnunet_dsd.config.settings import setting_names
from nnunet_dsd.pipelines.request import WARM_LEARNING_RATE, Distillation

TAUGHT, PSEUDO, ALONE = "student, taught", "student, pseudo labels", "student alone"
FIRST = "student, first phase"
STUDENT_TRAINER, PLAIN_TRAINER = "nnUNetTrainerKD", "nnUNetTrainerStock"
KD_ONLY = (*setting_names("kd"), "temperature")
# Which pseudo labels know nothing of:
OF_SOFT_LABELS = ("kd_dice_weight", "teacher_online", "kd_feature_weight", "kd_feature_ramp")

Starts = Mapping[int, str]  # by seed, the checkpoint that it starts from


def first_phase(asked: Distillation) -> Study:
    """Return the students' own supervised training, which the second phase starts from."""
    settings = {name: value for name, value in asked.settings.items() if name not in KD_ONLY}
    plans = _plans(asked, "first", settings)
    trainers = (TrainerChoice(PLAIN_TRAINER, (plans.name,), FIRST),)
    return replace(_study(asked, (plans,), trainers), name=f"{asked.name}_first", baseline=FIRST)


def students(asked: Distillation, starts: Starts) -> Study:
    """Return the taught students, those on pseudo labels where there are images without labels, and those alone.

    Args:
        asked: What was asked for.
        starts: What each seed starts from; empty: from weights by chance.
    """
    warm = {"learning_rate": WARM_LEARNING_RATE} if starts else {}
    settings = {**warm, **asked.settings}
    alone = {name: value for name, value in settings.items() if name not in KD_ONLY}
    taught = {**settings, "soft_labels": asked.name}
    plans = [_plans(asked, "taught", taught, starts), _plans(asked, "alone", alone, starts)]
    trainers = [TrainerChoice(STUDENT_TRAINER, ("taught",), TAUGHT), TrainerChoice(PLAIN_TRAINER, ("alone",), ALONE)]
    if asked.unlabelled is not None:
        hard = {name: value for name, value in taught.items() if name not in OF_SOFT_LABELS}
        plans.append(_plans(asked, "pseudo", {**hard, "unlabelled_target": "hard"}, starts))
        trainers.append(TrainerChoice(STUDENT_TRAINER, ("pseudo",), PSEUDO))
    return _study(asked, plans, trainers)


def start_of(study: Study, seed: int, fold: int | str) -> str:
    """Return the checkpoint that a first phase leaves of a seed, as a setting names it."""
    plans = study.plans_name("first", seed)
    return f"{PLAIN_TRAINER}__{plans}__{study.configuration}/fold_{fold}/checkpoint_final.pth"


def _plans(asked: Distillation, name: str, settings: Mapping[str, Any], starts: Starts | None = None) -> PlansChoice:
    return PlansChoice(
        name,
        settings=dict(settings),
        by_seed={seed: {"start_from": start} for seed, start in (starts or {}).items()},
        patch_size=asked.patch_size,
        batch_size=asked.batch_size,
        width=asked.width,
    )


def _study(asked: Distillation, plans: Sequence[PlansChoice], trainers: Sequence[TrainerChoice]) -> Study:
    images, labels = (str(path.expanduser().absolute()) for path in asked.test) if asked.test else (None, None)
    return Study(
        name=asked.name,
        dataset=asked.dataset,
        configuration=asked.configuration,
        from_plans=asked.from_plans,
        plans=tuple(plans),
        trainers=tuple(trainers),
        folds=(asked.fold,),
        seeds=asked.seeds,
        evaluate_on="test",
        test_images=images,
        test_labels=labels,
        mirroring=asked.mirroring,
        baseline=ALONE,
        device=asked.device,
        title=f"Was it worth it? Distillation {asked.name}",
    )
