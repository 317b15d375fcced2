"""Which epochs of which teachers are taken together: the strategies of the paper and its baselines.

A distribution adds strategies through the entry-point group `video_triplet.strategies`; the value of each entry point
is a `Strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_dsd.common.errors import DataError
from video_triplet.selection.criteria import Values
from video_triplet.selection.plugins import Things, with_plugins

ENTRY_POINT_GROUP = "video_triplet.strategies"


@dataclass(frozen=True)
class RunCurve:
    """What one teacher's kept epochs show.

    Attributes:
        epochs: Ascending, from 1.
        validation_map: `(epochs,)` video mAP on the inner-validation videos.
        values: `(epochs,)` of the criterion.
        distance: `(epochs,)` from the criterion's best.
        best: Place in `epochs` of the criterion's best.
        region: Places around it whose values are good.
        last_epoch: Of the training; `epochs` may end before.
    """

    epochs: tuple[int, ...]
    validation_map: Values
    values: Values
    distance: Values
    best: int
    region: tuple[int, ...]
    last_epoch: int


@dataclass(frozen=True, order=True)
class Member:
    """One epoch of one teacher.

    Attributes:
        run: Index of the run.
        epoch: From 1.
    """

    run: int
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to choose.

    Attributes:
        name: As given on the command line.
        summary: One line.
        pick: Returns the members, given every run's curve (the first run is *the* teacher where only one is used) and
            how many epochs of a run to take at most (None: all).
        uses_criterion: Whether the criterion decides.
        uses_validation: Whether the teachers' own validation mAP decides.
        runs: At least how many teachers it needs.
    """

    name: str
    summary: str
    pick: Callable[[Sequence[RunCurve], int | None], list[Member]]
    uses_criterion: bool = False
    uses_validation: bool = False
    runs: int = 1


def pick_last(curves: Sequence[RunCurve], _: int | None) -> list[Member]:
    """Return the last epoch of the first teacher.

    Raises:
        DataError: if its weights were not kept.
    """
    curve = curves[0]
    if curve.last_epoch not in curve.epochs:
        raise DataError(f"the last epoch, {curve.last_epoch}, is not among the epochs to choose from; keep it too")
    return [Member(0, curve.last_epoch)]


def pick_best_map(curves: Sequence[RunCurve], _: int | None) -> list[Member]:
    """Return the epoch of the first teacher with the highest validation mAP; of equal ones the earliest."""
    return [_best_map(curves, 0)]


def pick_best_map_ensemble(curves: Sequence[RunCurve], _: int | None) -> list[Member]:
    """Return that epoch of every teacher."""
    return [_best_map(curves, run) for run in range(len(curves))]


def pick_intermediate(curves: Sequence[RunCurve], _: int | None) -> list[Member]:
    """Return the epoch of the first teacher that the criterion finds best."""
    return [Member(0, curves[0].epochs[curves[0].best])]


def pick_epochs(curves: Sequence[RunCurve], most: int | None) -> list[Member]:
    """Return the epochs of the first teacher's region, or the `most` best of them."""
    return _region_members(curves, 0, most)


def pick_epochs_and_seeds(curves: Sequence[RunCurve], most: int | None) -> list[Member]:
    """Return the epochs of every teacher's region, or the `most` best of each."""
    return [member for run in range(len(curves)) for member in _region_members(curves, run, most)]


BUILT_IN = (
    Strategy(name="last", summary="baseline: the last epoch", pick=pick_last),
    Strategy(
        name="best-mAP", summary="baseline: the best validation mAP", pick=pick_best_map, uses_validation=True
    ),
    Strategy(
        name="best-mAP-ensemble",
        summary="baseline: the best validation mAP of each seed, averaged",
        pick=pick_best_map_ensemble,
        uses_validation=True,
        runs=2,
    ),
    Strategy(
        name="IT", summary="intermediate teacher: one epoch, chosen by the criterion", pick=pick_intermediate,
        uses_criterion=True,
    ),
    Strategy(
        name="IEE", summary="intermediate epochs ensemble: the region of one teacher", pick=pick_epochs,
        uses_criterion=True,
    ),
    Strategy(
        name="IESE", summary="intermediate epochs/seeds ensemble: the regions of all teachers",
        pick=pick_epochs_and_seeds, uses_criterion=True, runs=2,
    ),
)  # fmt: skip


def strategies() -> Things[Strategy]:
    """Return every strategy by name, those of other distributions included."""
    return with_plugins(BUILT_IN, ENTRY_POINT_GROUP, Strategy)


def _best_map(curves: Sequence[RunCurve], run: int) -> Member:
    scores = np.nan_to_num(curves[run].validation_map, nan=-np.inf)
    return Member(run, curves[run].epochs[int(scores.argmax())])


def _region_members(curves: Sequence[RunCurve], run: int, most: int | None) -> list[Member]:
    curve = curves[run]
    nearest = sorted(curve.region, key=lambda place: (curve.distance[place], place))[:most]
    return [Member(run, curve.epochs[place]) for place in sorted(nearest)]
