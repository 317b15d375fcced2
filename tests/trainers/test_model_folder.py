"""Model folders: what is missing is called so, and what a finished training did not read is only said."""

import pytest
from example_plans import example_plans

from nnunet_dsd.attribution.request import parse_models
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.trainers.model_folder import read_model_folder, unread_settings


def test_a_folder_that_is_not_there_is_not_said_to_lack_files(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder. Expected a folder such as"):
        read_model_folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: this is no folder"):
        read_model_folder(tmp_path / "file")
    with pytest.raises(DataError, match=r"is no nnU-Net model folder: it lacks plans.json and dataset.json"):
        read_model_folder(tmp_path)


def test_a_finished_model_with_a_block_that_was_not_read_is_noted():
    plans = example_plans()
    assert unread_settings(plans) is None
    plans["configurations"]["2d"]["self_destillation"] = {"alpha": 1}
    assert unread_settings(plans).startswith("it was trained without these settings of its plans: 'self_destillation'")


@pytest.mark.parametrize("word", ["mine=", "="])
def test_a_name_without_a_folder_is_refused(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="has no folder; write NAME=FOLDER"):
        parse_models([word])
