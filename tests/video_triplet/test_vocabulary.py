"""Triplets map to their components and back, whatever the numbers of classes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_datasets import make_vocabulary

from nnunet_dsd.common.errors import DataError
from video_triplet.vocabulary import COMPONENTS, HEADS, PARTS, Component, Vocabulary


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    """Any vocabulary of up to 6 instruments, verbs and targets, and of up to 3 phases."""
    sizes = [draw(st.integers(1, 6)) for _ in range(3)]
    names = [tuple(f"{part}_{index}" for index in range(size)) for part, size in zip("ivt", sizes, strict=True)]
    every = [(i, v, t) for i in range(sizes[0]) for v in range(sizes[1]) for t in range(sizes[2])]
    triplets = draw(st.lists(st.sampled_from(every), min_size=1, max_size=30, unique=True))
    phases = tuple(f"p_{index}" for index in range(draw(st.integers(0, 3))))
    return Vocabulary(names[0], names[1], names[2], phases, tuple(triplets))


@given(vocabularies())
def test_json_and_back_gives_the_same_vocabulary_and_fingerprint(vocabulary: Vocabulary) -> None:
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again == vocabulary
    assert again.fingerprint == vocabulary.fingerprint


@given(vocabularies())
def test_names_and_back_give_the_same_triplets(vocabulary: Vocabulary) -> None:
    assert Vocabulary.from_names(**{f"{head}s": vocabulary.names(head) for head in HEADS}) == vocabulary


@given(vocabularies(), vocabularies())
def test_fingerprints_are_equal_only_for_equal_vocabularies(one: Vocabulary, other: Vocabulary) -> None:
    assert (one.fingerprint == other.fingerprint) == (one == other)


@given(vocabularies(), st.sampled_from(COMPONENTS), st.integers(0, 2**32 - 1))
def test_component_scores_are_the_maximum_over_member_triplets(
    vocabulary: Vocabulary, component: Component, seed: int
) -> None:
    scores = np.random.default_rng(seed).random((3, len(vocabulary.triplets)))
    found = vocabulary.to_component(scores, component)
    if component == "ivt":
        np.testing.assert_array_equal(found, scores)
        return
    places = [("instrument", "verb", "target").index(part) for part in PARTS[component]]
    members: dict[tuple[int, ...], list[int]] = {}
    for index, triplet in enumerate(vocabulary.triplets):
        members.setdefault(tuple(triplet[place] for place in places), []).append(index)
    slow = [[max(row[index] for index in members[key]) for key in sorted(members)] for row in scores]
    np.testing.assert_array_equal(found, slow)


@given(vocabularies())
def test_the_components_of_a_triplet_are_found_again_from_its_ids(vocabulary: Vocabulary) -> None:
    i, v, t = (vocabulary.component_ids(part) for part in ("i", "v", "t"))  # type: ignore[arg-type]
    assert list(zip(i.tolist(), v.tolist(), t.tolist(), strict=True)) == list(vocabulary.triplets)
    np.testing.assert_array_equal(vocabulary.component_ids("iv"), i * len(vocabulary.verbs) + v)
    np.testing.assert_array_equal(vocabulary.component_ids("it"), i * len(vocabulary.targets) + t)
    np.testing.assert_array_equal(vocabulary.component_ids("vt"), v * len(vocabulary.targets) + t)


def test_null_triplets_are_those_with_a_null_verb_or_target() -> None:
    vocabulary = Vocabulary(("a",), ("cut", "null_verb"), ("b", "null_target"), (), ((0, 0, 0), (0, 1, 1), (0, 0, 1)))
    assert vocabulary.null_triplets == (1, 2)


def test_names_and_sizes_are_those_of_the_head() -> None:
    vocabulary = make_vocabulary(7)
    assert [vocabulary.size(head) for head in HEADS] == [7, 5, 5, 4, 2]
    assert vocabulary.names("triplet")[6] == "tool_1,verb_0,organ_1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instruments": ("a", "a")}, "instruments: a name appears twice"),
        ({"verbs": ()}, "verbs: there is none"),
        ({"triplets": ()}, "triplets: there is none"),
        ({"triplets": ((0, 0, 9),)}, r"triplet 0 is \(0, 0, 9\), beyond"),
        ({"triplets": ((0, 0, 0), (0, 0, 0))}, "two ids have the same components"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    sound: dict[str, Any] = {
        "instruments": ("a",),
        "verbs": ("b",),
        "targets": ("c",),
        "phases": (),
        "triplets": ((0, 0, 0),),
    }
    Vocabulary(**sound)
    with pytest.raises(DataError, match=message):
        Vocabulary(**{**sound, **change})


@pytest.mark.parametrize("triplet", ["a,b", "a,b,c,d", "a,b,x", ""])
def test_a_triplet_that_is_not_three_known_names_is_refused(triplet: str) -> None:
    with pytest.raises(DataError, match="is not three names"):
        Vocabulary.from_names(["a"], ["b"], ["c"], [], [triplet])


@pytest.mark.parametrize("triplets", [None, [[0, 0]], [["x", 0, 0]], [0]])
def test_json_that_is_no_vocabulary_is_refused(triplets: object) -> None:
    with pytest.raises(DataError, match="not a vocabulary"):
        Vocabulary.from_json({**make_vocabulary().to_json(), "triplets": triplets})
    with pytest.raises(DataError, match="not a vocabulary: KeyError"):
        Vocabulary.from_json({})


def test_classes_that_are_no_triplets_are_named_as_they_are() -> None:
    vocabulary = Vocabulary.from_classes(["cutting", "a, b", "null_verb"], ["late"])
    assert vocabulary.names("triplet") == ("cutting", "a, b", "null_verb")
    assert vocabulary.phases == ("late",)
    assert not vocabulary.has_components
    assert vocabulary.null_triplets == ()
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert (again, again.fingerprint) == (vocabulary, vocabulary.fingerprint)


def test_classes_that_are_all_triplets_have_components() -> None:
    vocabulary = Vocabulary.from_classes(["hook, cut ,bile", "grasper,cut,fat"])
    assert vocabulary == Vocabulary.from_names(
        ["hook", "grasper"], ["cut"], ["bile", "fat"], [], ["hook,cut,bile", "grasper,cut,fat"]
    )
    assert vocabulary.has_components
    assert not Vocabulary.from_classes(["hook,cut,bile", "a,,b"]).has_components


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a,b,c", "a, b, c"]])
def test_no_class_and_a_class_twice_are_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match="contradicts itself"):
        Vocabulary.from_classes(names)


@given(vocabularies(), st.sampled_from(("instrument", "verb", "target")), st.integers(0, 2**32 - 1))
def test_component_labels_are_those_of_the_triplets_that_are_there(
    vocabulary: Vocabulary, head: Any, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, (3, len(vocabulary.triplets)), dtype=np.uint8)
    place = ("instrument", "verb", "target").index(head)
    expected = np.zeros((3, vocabulary.size(head)), dtype=np.uint8)
    for row, triplet in np.argwhere(labels).tolist():
        expected[row, vocabulary.triplets[triplet][place]] = 1
    np.testing.assert_array_equal(vocabulary.component_labels(labels, head), expected)


def test_fingerprints_of_existing_files_stay_as_they_were() -> None:
    content = '{"instruments": ["a"], "verbs": ["b"], "targets": ["c"], "phases": [], "triplets": [[0, 0, 0]]}'
    expected = hashlib.sha256(content.encode()).hexdigest()[:16]
    assert Vocabulary(("a",), ("b",), ("c",), (), ((0, 0, 0),)).fingerprint == expected
