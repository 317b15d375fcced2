"""Hierarchical layer-selective feedback distillation (HLFD) and the methods it is compared with.

A network is seen as *features* (encoder levels: early, middle ones, final, which is the bottleneck), *maps* (decoder
levels: early, which is the deepest, and the later ones) and its *output*. A method is a list of pairs of such places:
what of the student follows what of the teacher. Feature pairs are compared by attention maps, map pairs by softened
distributions over channels.

Reference: Gorade et al., "Rethinking intermediate layers design in knowledge distillation for kidney and liver tumor
segmentation" (ISBI 2024); the methods are those of its code, the projections excepted, which are trained here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.attention import attention_distance, resize, unify
from nnunet_dsd.distillation.feedback_settings import FeedbackMethod
from nnunet_dsd.distillation.soft_kl import soft_kl

PlaceKind = Literal["feature", "map", "output"]


class Views(NamedTuple):
    """What of a network distillation looks at.

    `features` are encoder levels from early to final, each `(B, F, *S / scale)`; `maps` are decoder levels from early
    (deepest) to last, each `(B, F, *S / scale)`; `output` are logits `(B, C, *S)`.
    """

    features: tuple[Tensor, ...]
    maps: tuple[Tensor, ...]
    output: Tensor


@dataclass(frozen=True)
class Place:
    """A level of a network: the kind, and its position in `Views` (0 is early); the output has position 0."""

    kind: PlaceKind
    index: int = 0

    def of(self, views: Views) -> Tensor:
        """Return this place's tensor."""
        if self.kind == "output":
            return views.output
        return (views.features if self.kind == "feature" else views.maps)[self.index]


@dataclass(frozen=True)
class Feedback:
    """One term: a place of the student follows one place of the teacher, or several of them `unified`.

    `share` is the part of its group's weight (beta for features, lambda for maps) that the term has.
    """

    name: str
    student: Place
    teachers: tuple[Place, ...]
    share: float = 1.0
    unified: bool = False

    @property
    def on_features(self) -> bool:
        """Whether attention maps are compared (weight beta); otherwise distributions over channels (lambda)."""
        return self.student.kind == "feature"


class LevelCounts(NamedTuple):
    """How many levels a network has: encoders with the bottleneck, and decoders."""

    features: int
    maps: int


def feedback_of(method: FeedbackMethod, *, student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    """Return the terms of a method.

    Args:
        method: See `FeedbackSettings`.
        student: Its levels; at least three encoder levels (early, middle, final) and two decoder levels.
        teacher: The teacher's; may be more or fewer, but with "dkd", which pairs equal levels, the same.

    Raises:
        NetworkStructureError: if there are too few levels, or numbers that "dkd" cannot pair.
    """
    for who, counts in (("student", student), ("teacher", teacher)):
        if counts.features < 3 or counts.maps < 2:
            raise NetworkStructureError(
                f"feedback needs an early, a middle and a final encoder level and two decoder levels, the {who} has "
                f"{counts.features} encoder and {counts.maps} decoder levels; use a network with three stages or more"
            )
    if method == "dkd" and student != teacher:
        raise NetworkStructureError(
            f"dkd pairs levels of one depth, but the student has {student.features} encoder and {student.maps} decoder "
            f"levels, the teacher {teacher.features} and {teacher.maps}; choose another feedback, or networks of equal "
            "depth"
        )
    return _METHODS[method](student, teacher)


def feedback_value(
    term: Feedback,
    student: Views,
    teacher: Views,
    *,
    temperature: float,
    projected: Tensor | None = None,
    mask: Tensor | None = None,
    regions: bool = False,
) -> Tensor:
    """Return one term.

    - Features: attention distance. The student is resized to a single teacher's place (IFD); unified places are
      resized to the student (UFD).
    - Maps: `T^2 * KL(teacher || student)` over channels, averaged over voxels. The student's map is projected to the
      channels of a single teacher's place and resized to it (IPD); unified places are projected to the student's
      channels and resized to it (UPD).

    Args:
        term: Which places.
        student: The student's levels.
        teacher: The teacher's, without gradient.
        temperature: T of the distributions.
        projected: For maps: the student's map, or the teacher's unified maps (see `unify`), after the term's 1x1
            projection. None where both have the same channels, as for output and output.
        mask: `(B, 1, *S)`, true where a voxel counts; for terms taught by the output only.
        regions: The output's channels are independent regions; for terms taught by the output only.
    """
    follower, guide = _compared(term, student, teacher, projected)
    size = (follower if term.unified else guide).shape[2:]
    if term.on_features:
        return attention_distance(follower, guide, size=size)
    follower, guide = resize(follower, size), resize(guide, size)
    if term.teachers[0].kind != "output":
        return soft_kl(follower, guide, temperature=temperature)
    return soft_kl(follower, guide, temperature=temperature, mask=mask, regions=regions)


def _compared(term: Feedback, student: Views, teacher: Views, projected: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what of the student follows what of the teacher, before their sizes are made equal."""
    if not term.unified:
        return (term.student.of(student) if projected is None else projected), term.teachers[0].of(teacher)
    if projected is None:
        projected = unify([place.of(teacher) for place in term.teachers])
    return term.student.of(student), projected


def feedback_weights(terms: Sequence[Feedback], *, beta: float, lambda_: float) -> dict[str, float]:
    """Return the weight of each term: its share of beta (features) or of lambda (maps and output)."""
    return {term.name: term.share * (beta if term.on_features else lambda_) for term in terms}


def _output_and_final(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    """Output to output and final feature to final feature: what the comparison methods have in common."""
    final = Feedback("final", Place("feature", student.features - 1), (Place("feature", teacher.features - 1),))
    return (Feedback("output_kd", Place("output"), (Place("output"),)), final)


def _ufd(student: LevelCounts, teacher: LevelCounts, share: float = 1.0) -> tuple[Feedback, ...]:
    middle = tuple(Place("feature", i) for i in range(1, teacher.features - 1))
    return (Feedback("ufd", Place("feature", 0), middle, share, unified=True),)


def _ifd(student: LevelCounts, teacher: LevelCounts, share: float = 1.0) -> tuple[Feedback, ...]:
    final = (Place("feature", teacher.features - 1),)
    return tuple(Feedback(f"ifd_{i}", Place("feature", i), final, share) for i in range(1, student.features - 1))


def _upd(student: LevelCounts, teacher: LevelCounts, share: float = 1.0) -> tuple[Feedback, ...]:
    """Unify the teacher's decoder levels but the last, as the authors do with d5, d4 and d3 of four."""
    middle = tuple(Place("map", i) for i in range(max(teacher.maps - 1, 2)))
    return (Feedback("upd", Place("map", 0), middle, share, unified=True),)


def _ipd(student: LevelCounts, teacher: LevelCounts, share: float = 1.0) -> tuple[Feedback, ...]:
    return tuple(Feedback(f"ipd_{i}", Place("map", i), (Place("output"),), share) for i in range(1, student.maps))


def _at(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    return _output_and_final(student, teacher)[1:]


def _dkd(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    levels = [Place("feature", i) for i in range(student.features - 1)] + [Place("map", i) for i in range(student.maps)]
    pairs = tuple(Feedback(f"{place.kind}_{place.index}", place, (place,)) for place in levels)
    return (*_output_and_final(student, teacher), *pairs)


def _hifd(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    """Every other level follows the final ones, as the authors chose e2, e4 and d4, d2."""
    return (*_output_and_final(student, teacher), *_ifd(student, teacher)[::2], *_ipd(student, teacher)[::2])


def _feature_level(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    return (*_ufd(student, teacher, 0.5), *_ifd(student, teacher, 0.5))


def _pixel_level(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    return (*_upd(student, teacher, 0.5), *_ipd(student, teacher, 0.5))


def _hlfd(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    return (*_feature_level(student, teacher), *_pixel_level(student, teacher))


def _none(student: LevelCounts, teacher: LevelCounts) -> tuple[Feedback, ...]:
    return ()


_METHODS: Mapping[FeedbackMethod, Callable[[LevelCounts, LevelCounts], tuple[Feedback, ...]]] = {
    "hlfd": _hlfd,
    "at": _at,
    "skd": _output_and_final,
    "dkd": _dkd,
    "hifd": _hifd,
    "ufd": _ufd,
    "ifd": _ifd,
    "feature": _feature_level,
    "pixel": _pixel_level,
    "none": _none,
}
