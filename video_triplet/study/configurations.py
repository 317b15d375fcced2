"""The configurations of the paper's Table 1: which trainers, and which of them are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import listed


@dataclass(frozen=True)
class Configuration:
    """A row of the table.

    Attributes:
        name: As in the paper.
        teacher: Trainer of the teacher, or "" for an ensemble.
        student: Trainer of the student, or "" where the teacher itself is scored.
        members: For an ensemble, the names of the configurations that are averaged.
    """

    name: str
    teacher: str = ""
    student: str = ""
    members: tuple[str, ...] = ()

    @property
    def scored_trainer(self) -> str:
        """The trainer whose predictions are scored."""
        return self.student or self.teacher


ENSEMBLE = "SwinT+MultiT+SelfD+Ens"
_ROWS = (
    Configuration("SwinT", "SwinTripletTeacher"),
    Configuration("SwinT+MultiT", "SwinTripletMultiTaskTeacher"),
    Configuration("SwinT+SelfD", "SwinTripletTeacher", "SwinTripletStudent"),
    Configuration("SwinT+MultiT+SelfD", "SwinTripletMultiTaskTeacher", "SwinTripletMultiTaskStudent"),
    Configuration("SwinL+MultiT+SelfD+LS", "SwinTripletLargeTeacher", "SwinTripletLargeStudent"),
    Configuration("SwinT+MultiT+Phase+SelfD", "SwinTripletPhaseTeacher", "SwinTripletPhaseStudent"),
    Configuration(ENSEMBLE, members=("SwinT+MultiT+SelfD", "SwinL+MultiT+SelfD+LS", "SwinT+MultiT+Phase+SelfD")),
)
CONFIGURATIONS: Mapping[str, Configuration] = {row.name: row for row in _ROWS}
PUBLISHED_SPLIT = "cholect45-crossval"
# Table 1 of the paper: 5-fold cross-validation on CholecT45, triplet mAP and top-5 accuracy in percent.
PUBLISHED: Mapping[str, tuple[float, float]] = {
    "SwinT": (32.3, 83.8),
    "SwinT+MultiT": (33.1, 84.6),
    "SwinT+SelfD": (35.0, 85.2),
    "SwinT+MultiT+SelfD": (36.1, 86.2),
    ENSEMBLE: (38.5, 86.5),
}


def find_configurations(names: Sequence[str]) -> list[Configuration]:
    """Return configurations by name, the members of an ensemble before it, each once.

    Raises:
        SettingsError: naming those that are unknown and those that there are.
    """
    unknown = [name for name in names if name not in CONFIGURATIONS]
    if unknown:
        problems = [f"unknown configuration {name!r}; there are {listed(name, CONFIGURATIONS)}" for name in unknown]
        raise SettingsError(problems, source="--configurations")
    wanted = {member for name in names for member in (*CONFIGURATIONS[name].members, name)}
    return [row for row in _ROWS if row.name in wanted]
