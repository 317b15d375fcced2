"""Folders of studies and demos: what is not theirs is left alone, and two of them are not mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.folder import claim_folder

MARKER = "marker.json"


def test_a_new_folder_gets_its_marker_and_may_be_come_back_to(tmp_path: Path) -> None:
    for _ in range(2):
        claim_folder(tmp_path / "new", MARKER, {"seeds": (1, 2)}, restart=False)
    assert json.loads((tmp_path / "new" / MARKER).read_text()) == {"seeds": [1, 2]}


def test_other_settings_are_refused_and_delete_what_was_there_only_where_that_is_asked_for(tmp_path: Path) -> None:
    claim_folder(tmp_path / "demo", MARKER, {"seed": 1}, restart=False)
    (tmp_path / "demo" / "model.pt").touch()
    with pytest.raises(SetupError, match="holds a demo of other settings; add --restart"):
        claim_folder(tmp_path / "demo", MARKER, {"seed": 2}, restart=False)
    assert (tmp_path / "demo" / "model.pt").exists()
    claim_folder(tmp_path / "demo", MARKER, {"seed": 2}, restart=True)
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [MARKER]


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_with_something_else_is_never_touched(tmp_path: Path, restart: bool) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(SetupError, match="holds something that is not this demo's"):
        claim_folder(tmp_path, MARKER, {}, restart=restart)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
