"""Phases at 25 frames per second become one per labelled second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from made_up_datasets import change_line, write_phase_file

from video_triplet.data import problems as kinds
from video_triplet.data.cholec80_phases import CHOLEC80_PHASES, phase_file, read_phases
from video_triplet.data.videos import Problem

PREPARATION, CLIPPING = "Preparation", "ClippingCutting"


def read(
    folder: Path, frames: Sequence[int], names: Sequence[str] = CHOLEC80_PHASES
) -> tuple[list[int] | None, list[Problem]]:
    phases, problems = read_phases(folder, "VID07", np.array(frames, dtype=np.int64), names)
    return (None if phases is None else phases.tolist()), problems


def test_a_second_has_the_phase_of_its_first_frame(tmp_path: Path) -> None:
    path = write_phase_file(tmp_path, 7, {0: PREPARATION, 1: PREPARATION, 2: CLIPPING})
    change_line(path, 1 + 26, f"26\t{CLIPPING}")  # within second 1, not at its start
    assert read(tmp_path, [0, 1, 2]) == ([0, 0, 2], [])


@pytest.mark.parametrize("name", ["carlot-triangle-dissection", "CalotTriangleDissection"])
def test_both_spellings_are_understood(tmp_path: Path, name: str) -> None:
    write_phase_file(tmp_path, 7, {0: name})
    assert read(tmp_path, [0]) == ([1], [])


def test_names_that_a_data_set_gives_come_before_cholec80s(tmp_path: Path) -> None:
    write_phase_file(tmp_path, 7, {0: "Preparation", 1: "late"})
    assert read(tmp_path, [0, 1], ["late", "Preparation"]) == ([1, 0], [])


def test_missing_seconds_are_filled_from_the_second_before_and_reported(tmp_path: Path) -> None:
    write_phase_file(tmp_path, 7, {0: PREPARATION, 3: CLIPPING})
    phases, problems = read(tmp_path, [0, 1, 2, 3, 4])
    assert phases == [0, 0, 0, 2, 2]
    assert [problem.kind for problem in problems] == [kinds.PHASE_FILLED] * 3
    assert [problem.detail for problem in problems] == [
        "second 1 has no phase, that of second 0 is used",
        "second 2 has no phase, that of second 0 is used",
        "second 4 has no phase, that of second 3 is used",
    ]


def test_before_the_first_phase_there_is_none(tmp_path: Path) -> None:
    write_phase_file(tmp_path, 7, {2: CLIPPING})
    assert read(tmp_path, [0, 1, 2]) == ([-1, -1, 2], [])


def test_an_unknown_name_is_reported_and_filled(tmp_path: Path) -> None:
    path = write_phase_file(tmp_path, 7, {0: PREPARATION, 1: PREPARATION})
    change_line(path, 1 + 25, "25\tSuturing")
    phases, problems = read(tmp_path, [0, 1])
    assert phases == [0, 0]
    assert [problem.kind for problem in problems] == [kinds.PHASE_UNKNOWN, kinds.PHASE_FILLED]
    assert "'Suturing', known are preparation" in problems[0].detail


@pytest.mark.parametrize("line", ["25", "x\tPreparation", "25\tPreparation\tagain"])
def test_an_unreadable_line_is_reported(tmp_path: Path, line: str) -> None:
    path = write_phase_file(tmp_path, 7, {0: PREPARATION, 1: PREPARATION})
    change_line(path, 1 + 25, line)
    assert [problem.kind for problem in read(tmp_path, [0, 1])[1]] == [kinds.LINE_UNREADABLE, kinds.PHASE_FILLED]


@pytest.mark.parametrize("content", [b"", b"Frame\tPhase\n", b"\xff\xfe\x00"])
def test_a_file_without_phases_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "video07-phase.txt").write_bytes(content)
    phases, problems = read(tmp_path, [0, 1])
    assert phases is None
    assert [problem.kind for problem in problems] == [kinds.FILE_UNREADABLE]


def test_a_missing_file_is_noted(tmp_path: Path) -> None:
    phases, problems = read(tmp_path, [0])
    assert phases is None
    assert [problem.kind for problem in problems] == [kinds.PHASE_FILE_MISSING]


def test_files_are_named_after_the_number_of_the_video(tmp_path: Path) -> None:
    assert phase_file(tmp_path, "VID07").name == "video07-phase.txt"
    assert phase_file(tmp_path, "VID103").name == "video103-phase.txt"
    assert phase_file(tmp_path, "case").name == "case-phase.txt"
