"""What teacher and student show each other in HLFD: their levels, the student's projections, the teacher's views."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.attention import unify
from nnunet_dsd.distillation.hierarchical import Feedback, LevelCounts, Place, Views
from nnunet_dsd.networks.bottleneck import CONVOLUTIONS
from nnunet_dsd.networks.probe import measure_levels
from nnunet_dsd.networks.taps import TappedHeads, tap
from nnunet_dsd.networks.ushape import EncoderLevels, Level, NetworkLevels


@dataclass(frozen=True)
class FeedbackLevels:
    """Encoder levels from early to final (the bottleneck), and decoder levels from early (the deepest) to last."""

    features: tuple[Level, ...]
    maps: tuple[Level, ...]

    @property
    def counts(self) -> LevelCounts:
        """How many levels there are."""
        return LevelCounts(len(self.features), len(self.maps))

    def channels(self, place: Place, classes: int) -> int:
        """Return the channels of a place."""
        if place.kind == "output":
            return classes
        return (self.features if place.kind == "feature" else self.maps)[place.index].channels

    def name(self, place: Place) -> str:
        """Return the module's path of a place, for the log."""
        if place.kind == "output":
            return "output"
        return (self.features if place.kind == "feature" else self.maps)[place.index].name


def feedback_levels(shape: NetworkLevels) -> FeedbackLevels:
    """Return a network's levels by rule: encoders and bottleneck; decoders above it, the last block included.

    Without a decoder the encoder levels but the last, which feeds the output, stand for its maps, from coarse to fine.

    Raises:
        NetworkStructureError: if the network's last decoder block is not known.
    """
    if isinstance(shape, EncoderLevels):
        return FeedbackLevels(shape.encoders, shape.encoders[-2::-1])
    if shape.last is None:
        raise NetworkStructureError("feedback needs the last decoder block; give the levels by name")
    return FeedbackLevels((*shape.encoders, bottleneck_of(shape)), (*reversed(shape.decoders[:-1]), shape.last))


def bottleneck_of(shape: NetworkLevels) -> Level:
    """Return the deepest level of a network."""
    return shape.encoders[-1] if isinstance(shape, EncoderLevels) else shape.decoders[-1]


def choose_levels(
    network: nn.Module,
    by_rule: Callable[[nn.Module], FeedbackLevels],
    *,
    features: Sequence[str],
    maps: Sequence[str],
    example: Tensor,
) -> FeedbackLevels:
    """Return the levels that are named, and by rule those that are not.

    Args:
        network: Not compiled and not wrapped.
        by_rule: Finds the levels of a network of known architecture; not called where both sides are named.
        features: Module paths of encoder levels from early to final; empty: by rule.
        maps: Module paths of decoder levels from early (deepest) to last; empty: by rule.
        example: Image `(1, C, *S)` for a dry run, which named levels need.

    Raises:
        NetworkStructureError: if a module does not exist, gives no features on a grid that divides the image's, is
            named twice, or stands in another order.
    """
    if not features and not maps:
        return by_rule(network)
    named, _ = measure_levels(network, [*features, *maps], example)
    rest = None if features and maps else by_rule(network)
    levels = FeedbackLevels(
        tuple(named[name] for name in features) or (rest.features if rest else ()),
        tuple(named[name] for name in maps) or (rest.maps if rest else ()),
    )
    problems = _order_problems("encoder", levels.features, "from fine (early) to coarse (final)")
    problems += _order_problems("decoder", levels.maps[::-1], "from coarse (early) to fine (last)")
    if problems:
        raise NetworkStructureError("; ".join(problems))
    return levels


def _order_problems(side: str, fine_to_coarse: Sequence[Level], order: str) -> list[str]:
    names = [level.name for level in fine_to_coarse]
    problems = [f"the {side} level '{name}' is named twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    sizes = [math.prod(level.scale) for level in fine_to_coarse]
    if sizes != sorted(sizes):
        found = ", ".join(f"{level.name} (scale {level.scale})" for level in fine_to_coarse)
        problems.append(f"{side} levels are named {order}; got, from the fine end, {found}")
    return problems


class FeedbackOutput(NamedTuple):
    """What a student returns in training mode.

    `main` is the network's own output (with nnU-Net's deep supervision a list, full resolution first); `student` its
    levels; `guides` the levels of each teacher; `projected` for each teacher what the terms' projections made of maps,
    by term.
    """

    main: Tensor | Sequence[Tensor]
    student: Views
    guides: tuple[Views, ...]
    projected: tuple[Mapping[str, Tensor], ...]

    def map_volumes(self, change: Callable[[Tensor], Tensor]) -> FeedbackOutput:
        """Refuse: a network that pads inside has levels that do not lie on the patch."""
        raise NetworkStructureError("a student whose network pads its patch cannot be compared with a teacher")


class FeedbackHeads(TappedHeads):
    """The student's taps and the projections of the terms on maps, trained with it (see `networks.taps.attach`).

    Args:
        terms: What follows what.
        student: The student's levels.
        teacher: The teacher's.
        classes: Output channels of both.
    """

    def __init__(
        self, terms: Sequence[Feedback], student: FeedbackLevels, teacher: FeedbackLevels, classes: int
    ) -> None:
        super().__init__(level.name for level in (*student.features, *student.maps))
        self.terms, self.student = tuple(terms), student
        self.projections = nn.ModuleDict()
        dimensions = len(student.features[0].scale)
        for term in terms:
            if term.on_features or term.student.kind == "output":
                continue
            own = student.channels(term.student, classes)
            others = sum(teacher.channels(place, classes) for place in term.teachers)
            sizes = (others, own) if term.unified else (own, others)
            self.projections[term.name] = CONVOLUTIONS[dimensions](*sizes, kernel_size=1)
        self._guides: tuple[Views, ...] = ()

    def teach(self, guides: Sequence[Views]) -> None:
        """Set what the teachers show for the batch that comes next."""
        self._guides = tuple(guides)

    def training_output(self, main: Tensor | Sequence[Tensor], features: Mapping[str, Tensor]) -> FeedbackOutput:
        """Return the network's output with everything the terms compare."""
        guides, self._guides = self._guides, ()
        if self.terms and not guides:
            raise NetworkStructureError("a student in training mode needs what its teacher shows; call teach() first")
        student = Views(
            features=tuple(features[level.name] for level in self.student.features),
            maps=tuple(features[level.name] for level in self.student.maps),
            output=main if isinstance(main, Tensor) else main[0],
        )
        return FeedbackOutput(main, student, guides, tuple(self._project(student, guide) for guide in guides))

    def _project(self, student: Views, guide: Views) -> dict[str, Tensor]:
        projected = {}
        for term in self.terms:
            if term.name in self.projections:
                shown = [place.of(guide) for place in term.teachers]
                maps = unify(shown) if term.unified else term.student.of(student)
                projected[term.name] = self.projections[term.name](maps)
        return projected


class TeacherNetwork(nn.Module):
    """A frozen network in eval mode that shows its levels.

    Args:
        network: With its weights loaded, not compiled and not wrapped.
        levels: What to show.
    """

    def __init__(self, network: nn.Module, levels: FeedbackLevels) -> None:
        super().__init__()
        self.network, self.levels = network.eval().requires_grad_(False), levels
        self.asked: tuple[Place, ...] | None = None
        self._kept_names: set[str] = set()
        self._seen: dict[str, Tensor] = {}
        tap(self.network, (level.name for level in (*levels.features, *levels.maps)), self)

    def ask(self, places: Iterable[Place]) -> None:
        """Show these places only, so that no memory is held for others; those are then empty in the views."""
        self.asked = tuple(dict.fromkeys(places))
        self._kept_names = {self.levels.name(place) for place in self.asked}

    def store(self, name: str, features: Tensor) -> None:
        """Keep one level's features until the forward pass ends, if they are asked for."""
        if self.asked is None or name in self._kept_names:
            self._seen[name] = features

    def train(self, mode: bool = True) -> TeacherNetwork:
        """Stay in eval mode, whatever is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Views:
        """Return the levels and logits for images `(B, C, *S)`, without gradient."""
        output = self.network(images)
        seen, self._seen = self._seen, {}
        nothing = images.new_empty(0)
        return Views(
            features=tuple(seen.get(level.name, nothing) for level in self.levels.features),
            maps=tuple(seen.get(level.name, nothing) for level in self.levels.maps),
            output=output,
        )
