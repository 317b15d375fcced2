"""A study's workplace for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_workplace import StudyWorkplace


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyWorkplace:
    """Made-up data, the study file of `STUDY`, and imitations of the commands in front of the PATH."""
    workplace = StudyWorkplace(tmp_path)
    for name, value in {**workplace.environment, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    return workplace
