"""Which cases a teacher was trained on is read from the data set's splits, or not at all."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.trainers.teacher import known_validation_cases


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_splits_that_are_damaged_are_named_and_not_taken_for_none(tmp_path, content):
    (tmp_path / "fold_0").mkdir()
    teacher = SimpleNamespace(
        folds=("0",), folder=tmp_path, dataset_json={"file_ending": ".nii.gz"}, path=lambda fold: Path(__file__)
    )
    splits = tmp_path / "splits_final.json"
    splits.write_text('[{"train": ["b"], "val": ["a"]}]')
    assert known_validation_cases(teacher, ["a", "b"], splits) == {"0": ["b"]}
    splits.write_text(content)
    with pytest.raises(DataError, match=r"splits_final\.json is damaged, so that it is not known which cases"):
        known_validation_cases(teacher, ["a", "b"], splits)
