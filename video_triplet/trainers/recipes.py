"""The trainers of the paper, each a small table of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from video_triplet.trainers.base import Role, TripletTrainer

STUDENT: Mapping[str, Any] = {"epochs": 40, "seed": 2}  # students share a seed that is not the teachers'
LARGE: Mapping[str, Any] = {"backbone": "swin_large_patch4_window7_224"}


class SwinTripletTeacher(TripletTrainer):
    """Swin-B on hard labels, triplets only: the paper's SwinT."""

    role: ClassVar[Role] = "teacher"
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "triplet"}


class SwinTripletStudent(TripletTrainer):
    """The same on its teacher's soft labels: SwinT+SelfD."""

    role: ClassVar[Role] = "student"
    defaults: ClassVar[Mapping[str, Any]] = STUDENT
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "triplet"}


class SwinTripletMultiTaskTeacher(TripletTrainer):
    """With instrument, verb and target as further heads: SwinT+MultiT."""

    role: ClassVar[Role] = "teacher"
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task"}


class SwinTripletMultiTaskStudent(TripletTrainer):
    """The same on its teacher's soft labels: SwinT+MultiT+SelfD."""

    role: ClassVar[Role] = "student"
    defaults: ClassVar[Mapping[str, Any]] = STUDENT
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task"}


class SwinTripletPhaseTeacher(TripletTrainer):
    """With the surgical phase as one more head."""

    role: ClassVar[Role] = "teacher"
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task-phase"}


class SwinTripletPhaseStudent(TripletTrainer):
    """The same on its teacher's soft labels: the ensemble's third model."""

    role: ClassVar[Role] = "student"
    defaults: ClassVar[Mapping[str, Any]] = STUDENT
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task-phase"}


class SwinTripletLargeTeacher(TripletTrainer):
    """Swin-L with instrument, verb and target."""

    role: ClassVar[Role] = "teacher"
    defaults: ClassVar[Mapping[str, Any]] = LARGE
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task"}


class SwinTripletLargeStudent(TripletTrainer):
    """The same on its teacher's soft labels, smoothed: the ensemble's second model."""

    role: ClassVar[Role] = "student"
    defaults: ClassVar[Mapping[str, Any]] = {**STUDENT, **LARGE, "label_smoothing": 0.1}
    fixed: ClassVar[Mapping[str, Any]] = {"head_set": "multi-task"}
