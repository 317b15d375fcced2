"""What happens in a made-up operation, second by second: phases, actions, and labels of which some are ambiguous."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from video_triplet.vocabulary import HEADS, Head, Vocabulary

PHASES = ("preparation", "carlot-triangle-dissection", "clipping-and-cutting", "cleaning-and-coagulation")
VOCABULARY = Vocabulary.from_names(
    instruments=("grasper", "hook", "clipper", "irrigator"),
    verbs=("retract", "dissect", "clip", "aspirate", "null_verb"),
    targets=("gallbladder", "liver", "cystic_duct", "fluid", "null_target"),
    phases=PHASES,
    triplets=(
        "grasper,retract,gallbladder",
        "grasper,retract,liver",
        "grasper,dissect,gallbladder",
        "hook,dissect,gallbladder",
        "hook,dissect,cystic_duct",
        "hook,retract,liver",
        "clipper,clip,cystic_duct",
        "clipper,dissect,cystic_duct",
        "irrigator,aspirate,fluid",
        "irrigator,retract,liver",
        "grasper,null_verb,null_target",
        "hook,null_verb,null_target",
    ),
)
NOTHING = -1
# How likely each hand's action is, by phase; NOTHING is an empty hand. The left hand holds the grasper.
LEFT_HAND: tuple[dict[int, float], ...] = (
    {0: 4, 1: 2, 10: 2, NOTHING: 2},
    {0: 8, 1: 1, 2: 0.3, NOTHING: 1},
    {0: 7, 10: 0.5, NOTHING: 1},
    {1: 4, 0: 2, NOTHING: 2},
)
RIGHT_HAND: tuple[dict[int, float], ...] = (
    {11: 1, NOTHING: 4},
    {3: 8, 4: 2, 5: 0.3, 11: 1, NOTHING: 1},
    {6: 4, 7: 0.5, 4: 1, NOTHING: 2},
    {8: 4, 9: 0.5, NOTHING: 2},
)
# Pairs of triplets that look the same where they are ambiguous: in the verb (left hand), in the target (right hand).
AMBIGUOUS_PAIRS: tuple[tuple[int, int], tuple[int, int]] = ((0, 2), (3, 4))
FIRST_OF_PAIR = 0.65
MEAN_SECONDS_PER_ACTION = 5.0
BLACK_FRACTION = 0.05


@dataclass(frozen=True)
class Action:
    """What one hand does in one frame.

    Attributes:
        hand: 0 left, 1 right.
        triplets: What it could be: one triplet id, or two that look the same.
        probabilities: Of each of them to be the label.
        label: The triplet id that the label file has.
        phase_angle: Where the motion is, in radians.
    """

    hand: int
    triplets: tuple[int, ...]
    probabilities: tuple[float, ...]
    label: int
    phase_angle: float


@dataclass(frozen=True)
class Scene:
    """One frame: its phase id, its actions, the camera's shift in fractions of the width, and whether all is black."""

    phase: int
    actions: tuple[Action, ...]
    camera: tuple[float, float]
    black: bool


def draw_scenes(rng: np.random.Generator, frames: int, ambiguity: float) -> list[Scene]:
    """Draw the scenes of one video.

    Args:
        rng: Decides everything.
        frames: How many, one per second.
        ambiguity: Fraction in [0, 1] of the frames that are not black in which one action is ambiguous.

    Returns:
        `frames` scenes. Labels of ambiguous actions are drawn for each frame anew, whatever the phase.
    """
    phases = _draw_phases(rng, frames)
    hands = [_draw_hand(rng, phases, table) for table in (LEFT_HAND, RIGHT_HAND)]
    black = _draw_black(rng, frames)
    inside = np.flatnonzero(~black)
    ambiguous = set(rng.permutation(inside)[: round(ambiguity * len(inside))].tolist())
    camera = np.cumsum(rng.normal(0, 0.004, size=(frames, 2)), axis=0)
    scenes = []
    for second in range(frames):
        triplets: list[tuple[int, ...]] = [(int(hand[second]),) if hand[second] != NOTHING else () for hand in hands]
        if second in ambiguous:
            hand = int(rng.integers(2))
            triplets[hand] = AMBIGUOUS_PAIRS[hand]
        actions = tuple(_act(rng, hand, options) for hand, options in enumerate(triplets) if options)
        x, y = np.clip(camera[second], -0.06, 0.06).tolist()
        scenes.append(Scene(int(phases[second]), () if black[second] else actions, (x, y), bool(black[second])))
    return scenes


def label_matrix(scenes: list[Scene], head: Head) -> NDArray[np.uint8]:
    """Return `(frames, classes)` of 0 and 1 as the label files have them."""
    labels = np.zeros((len(scenes), VOCABULARY.size(head)), dtype=np.uint8)
    for row, scene in enumerate(scenes):
        if head == "phase":
            labels[row, scene.phase] = 1
        for action in scene.actions if head != "phase" else ():
            labels[row, class_of(action.label, head)] = 1
    return labels


def true_probabilities(scenes: list[Scene], head: Head) -> NDArray[np.float32]:
    """Return `(frames, classes)`: the probability of each label given all that can be seen.

    The hands' labels are drawn independently, so a class is absent only if no hand has it.
    """
    if head == "phase":
        return label_matrix(scenes, head).astype(np.float32)
    absent = np.ones((len(scenes), VOCABULARY.size(head)))
    for row, scene in enumerate(scenes):
        for action in scene.actions:
            present = np.zeros(VOCABULARY.size(head))
            for triplet, probability in zip(action.triplets, action.probabilities, strict=True):
                present[class_of(triplet, head)] += probability
            absent[row] *= 1 - present
    return np.clip(1 - absent, 0, 1).astype(np.float32)


def class_of(triplet: int, head: Head) -> int:
    """Return the class that a triplet has in a head other than the phase."""
    return triplet if head == "triplet" else VOCABULARY.triplets[triplet][HEADS.index(head) - 1]


def _draw_phases(rng: np.random.Generator, frames: int) -> NDArray[np.int64]:
    shares = rng.dirichlet((3.0, 6.0, 3.0, 2.5))
    ends = np.round(np.cumsum(shares) * frames)
    return np.searchsorted(ends[:-1], np.arange(frames), side="right").astype(np.int64)


def _draw_hand(
    rng: np.random.Generator, phases: NDArray[np.int64], table: tuple[dict[int, float], ...]
) -> NDArray[np.int64]:
    """Draw a triplet id, or NOTHING, for each second; an action lasts some seconds and ends with its phase."""
    drawn: NDArray[np.int64] = np.empty(len(phases), dtype=np.int64)
    for second, phase in enumerate(phases.tolist()):
        new_phase = second == 0 or phase != phases[second - 1]
        if new_phase or rng.random() < 1 / MEAN_SECONDS_PER_ACTION:
            weights = np.array(list(table[phase].values()))
            drawn[second] = rng.choice(list(table[phase]), p=weights / weights.sum())
        else:
            drawn[second] = drawn[second - 1]
    return drawn


def _draw_black(rng: np.random.Generator, frames: int) -> NDArray[np.bool_]:
    black: NDArray[np.bool_] = np.zeros(frames, dtype=np.bool_)
    length = max(1, round(BLACK_FRACTION * frames))
    start = int(rng.integers(max(1, frames - length)))
    black[start : start + length] = frames > 1
    return black


def _act(rng: np.random.Generator, hand: int, options: tuple[int, ...]) -> Action:
    probabilities = (1.0,) if len(options) == 1 else (FIRST_OF_PAIR, 1 - FIRST_OF_PAIR)
    label = int(rng.choice(options, p=probabilities))
    return Action(hand, options, probabilities, label, float(rng.uniform(0, 2 * np.pi)))
