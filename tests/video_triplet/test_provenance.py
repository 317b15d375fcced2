"""Which videos a model has seen travels with it, and using them again is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nnunet_dsd.common.errors import DataError
from video_triplet.data.provenance import (
    LeakError,
    ModelRecord,
    refuse_trained_on,
    videos_selected_on,
    videos_trained_on,
)

RECORD = ModelRecord("Trainer", "ab12", 5, 1, 2, ("VID01", "VID02"), ("VID03",), "cd34")


@pytest.mark.parametrize("record", [RECORD, replace(RECORD, fold=None, selected_on=(), soft_labels="")])
def test_json_and_back_gives_the_same_record(record: ModelRecord) -> None:
    assert ModelRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_record_with_missing_or_unknown_entries_is_refused_by_name() -> None:
    content = {**RECORD.to_json(), "extra": 1}
    del content["seed"]
    with pytest.raises(DataError, match=r"\['extra', 'seed'\]"):
        ModelRecord.from_json(content)


def test_the_videos_of_several_models_are_joined() -> None:
    models = [RECORD, replace(RECORD, trained_on=("VID09",), selected_on=("VID02",))]
    assert videos_trained_on(models) == {"VID01", "VID02", "VID09"}
    assert videos_selected_on(models) == {"VID03", "VID02"}


def test_videos_that_no_model_was_trained_on_pass() -> None:
    refuse_trained_on([RECORD], ["VID03", "VID04"], purpose="test")
    refuse_trained_on([], ["VID01"], purpose="test")


@pytest.mark.parametrize("models", [[RECORD], [replace(RECORD, trained_on=("VID09",)), RECORD]])
def test_videos_that_any_model_was_trained_on_are_refused_with_the_purpose(models: list[ModelRecord]) -> None:
    with pytest.raises(LeakError, match="evaluation: VID01, VID02 were used to train"):
        refuse_trained_on(models, ["VID02", "VID04", "VID01"], purpose="evaluation")
    with pytest.raises(LeakError, match="evaluation: VID02 was used"):
        refuse_trained_on(models, ["VID02"], purpose="evaluation")
