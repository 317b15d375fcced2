"""The predictions file keeps everything, and refuses what is damaged or does not go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_datasets import make_vocabulary

from nnunet_dsd.common.errors import DataError
from video_triplet.data.provenance import ModelRecord
from video_triplet.predictions import file as module
from video_triplet.predictions.file import Predictions, average, concatenate, load_predictions
from video_triplet.vocabulary import HEADS

VOCABULARY = make_vocabulary()
MODEL = ModelRecord("Trainer", "ab12", 5, 1, 2, ("VID08",), ("VID09",))
OTHER_MODEL = replace(MODEL, checkpoint="ef56")


def made_up(seed: int = 0, *, videos: tuple[str, ...] = ("VID01", "VID02"), model: ModelRecord = MODEL) -> Predictions:
    """Three frames of each video."""
    rng = np.random.default_rng(seed)
    rows = 3 * len(videos)
    probabilities = {head: rng.random((rows, VOCABULARY.size(head)), dtype=np.float32) for head in HEADS}
    ids = np.repeat(np.arange(len(videos)), 3)
    return Predictions(VOCABULARY, videos, ids, np.tile([4, 5, 9], len(videos)), probabilities, (model,))


def assert_same(one: Predictions, other: Predictions) -> None:
    assert one.keys == other.keys
    assert (one.vocabulary, one.models, one.kind, one.heads) == (
        other.vocabulary,
        other.models,
        other.kind,
        other.heads,
    )
    for head in one.heads:
        np.testing.assert_array_equal(one.probabilities[head], other.probabilities[head])


@pytest.mark.parametrize("kind", ["predictions", "soft labels"])
def test_a_saved_file_returns_everything(tmp_path: Path, kind: Any) -> None:
    saved = replace(made_up(), kind=kind)
    saved.save(tmp_path / "new" / "file.npz")
    loaded = load_predictions(tmp_path / "new" / "file.npz")
    assert_same(loaded, saved)
    assert loaded.content_hash == saved.content_hash
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.npz"]


def test_the_hash_changes_with_every_part() -> None:
    base = made_up()
    changed = [
        replace(base, kind="soft labels"),
        replace(base, frames=base.frames + 1),
        replace(base, models=()),
        replace(base, probabilities={**base.probabilities, "verb": base.probabilities["verb"] * 0.5}),
    ]
    assert len({base.content_hash, *(other.content_hash for other in changed)}) == 5


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, fraction: float) -> None:
    path = tmp_path / "file.npz"
    made_up().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(DataError, match="is not a whole predictions file"):
        load_predictions(path)


def test_a_missing_file_and_another_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        load_predictions(tmp_path / "nothing.npz")
    np.savez(tmp_path / "other.npz", frames=np.arange(3))
    with pytest.raises(DataError, match="holds no predictions"):
        load_predictions(tmp_path / "other.npz")


def test_a_file_of_another_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCHEMA", 99)
    made_up().save(tmp_path / "file.npz")
    monkeypatch.undo()
    with pytest.raises(DataError, match="another schema than 1"):
        load_predictions(tmp_path / "file.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "guesses"}, "kind 'guesses'"),
        ({"video_ids": np.zeros(5, dtype=np.int64)}, "6 frame numbers and 5 video ids"),
        ({"video_ids": np.array([0, 0, 0, 1, 1, 2])}, "beyond the 2 videos"),
        ({"frames": np.array([4, 4, 9, 4, 5, 9])}, "appears twice"),
        ({"probabilities": {}}, "no head"),
        ({"probabilities": {"verb": np.zeros((6, 3), dtype=np.float32)}}, r"verb: shape \(6, 3\), expected \(6, 5\)"),
        ({"probabilities": {"verb": np.full((6, 5), 1.5, dtype=np.float32)}}, r"verb: values outside \[0, 1\]"),
        ({"probabilities": {"verb": np.full((6, 5), np.nan, dtype=np.float32)}}, "or not a number"),
    ],
)
def test_predictions_that_contradict_themselves_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(made_up(), **change)


def test_rows_are_found_by_video_and_frame_in_the_order_asked_for() -> None:
    base = made_up()
    keys = [("VID02", 9), ("VID01", 4)]
    found = base.aligned_to(keys)
    assert found.keys == keys
    np.testing.assert_array_equal(found.probabilities["verb"], base.probabilities["verb"][[5, 0]])
    with pytest.raises(DataError, match="missing for 1 of 2 frames, first: VID02 frame 7"):
        base.aligned_to([("VID02", 7), ("VID01", 4)])


def test_an_average_is_aligned_by_video_and_frame() -> None:
    one, other = made_up(1), made_up(2, model=OTHER_MODEL)
    mean = average([one, other.select(np.array([5, 3, 4, 2, 0, 1]))])
    assert mean.keys == one.keys
    assert mean.models == (MODEL, OTHER_MODEL)
    for head in HEADS:
        expected = (one.probabilities[head].astype(float) + other.probabilities[head]) / 2
        np.testing.assert_allclose(mean.probabilities[head], expected, atol=1e-7)


def test_an_average_has_the_heads_that_all_have_and_each_model_once() -> None:
    without = made_up(2)
    kept = {head: values for head, values in without.probabilities.items() if head in ("triplet", "verb")}
    mean = average([made_up(1), replace(without, probabilities=kept)])
    assert mean.heads == ("triplet", "verb")
    assert mean.models == (MODEL,)


def test_an_average_of_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to average"):
        average([])
    with pytest.raises(DataError, match="differ in 1 frame, first: VID02 frame 9"):
        average([made_up(), made_up().select(np.arange(5))])
    other = replace(made_up(), vocabulary=replace(VOCABULARY, phases=("other", "names")))
    with pytest.raises(DataError, match="different vocabularies"):
        average([made_up(), other])


def test_joined_files_keep_every_row_under_its_video() -> None:
    one, other = made_up(1, videos=("VID01", "VID02")), made_up(2, videos=("VID05", "VID03"), model=OTHER_MODEL)
    joined = concatenate([one, other])
    assert joined.keys == one.keys + other.keys
    assert joined.models == (MODEL, OTHER_MODEL)
    np.testing.assert_array_equal(
        joined.aligned_to(other.keys).probabilities["triplet"], other.probabilities["triplet"]
    )


def test_joining_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to join"):
        concatenate([])
    with pytest.raises(DataError, match="appears twice"):
        concatenate([made_up(), made_up()])
    fewer = replace(made_up(), probabilities={"verb": made_up().probabilities["verb"]})
    with pytest.raises(DataError, match="different vocabularies, heads or kinds"):
        concatenate([made_up(), fewer])


@pytest.mark.parametrize("combine", [average, concatenate])
def test_soft_labels_and_predictions_are_not_mixed(combine: Any) -> None:
    soft = replace(made_up(), kind="soft labels")
    with pytest.raises(DataError, match="kind"):
        combine([soft, made_up(1)])


def test_a_file_whose_numbers_were_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    made_up().save(path)
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    content["probabilities_verb"] = content["probabilities_verb"] * 0.5
    with path.open("wb") as file:
        np.savez(file, **content)
    with pytest.raises(DataError, match="not that of its hash"):
        load_predictions(path)
