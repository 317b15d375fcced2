"""`video-triplet check` says everything at once, and its exit status says whether there are errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_datasets import (
    make_video,
    make_vocabulary,
    write_images,
    write_json_layout,
    write_phase_file,
    write_text_layout,
)

from video_triplet.cli.main import main
from video_triplet.data import problems as kinds

VOCABULARY = make_vocabulary()


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_json_layout(tmp_path / "data", VOCABULARY, {"VID02": make_video(VOCABULARY)})


def test_a_sound_data_set_gives_status_0_and_its_statistics(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(root), "--workers", "0"]) == 0
    shown = capsys.readouterr().out
    assert "0 errors, 0 notes." in shown
    assert "7 triplets, 5 instruments, 5 verbs, 4 targets, 2 phases" in shown
    assert "first example" not in shown


def test_notes_give_status_0_and_errors_give_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(root / "videos" / "VID02", [6])
    assert main(["check", str(root), "--workers", "0"]) == 0
    assert "0 errors, 1 note." in capsys.readouterr().out
    for frame in (2, 3):
        (root / "videos" / "VID02" / f"{frame:06d}.png").unlink()
    assert main(["check", str(root), "--workers", "0"]) == 1
    shown = capsys.readouterr().out
    assert "2 errors, 1 note." in shown
    row = next(line for line in shown.splitlines() if kinds.LABEL_WITHOUT_IMAGE in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "error",
        kinds.LABEL_WITHOUT_IMAGE,
        "VID02",
        "2",
        "frame 2: there is no 000002.png",
    ]


def test_quick_does_not_decode_images_and_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "videos" / "VID02" / "000002.png").write_bytes(b"")
    assert main(["check", str(root), "--quick"]) == 0
    assert "were not decoded" in capsys.readouterr().out
    assert main(["check", str(root), "--workers", "0"]) == 1


def test_the_json_file_has_every_problem_and_the_statistics(root: Path, tmp_path: Path) -> None:
    (root / "videos" / "VID02" / "000002.png").write_bytes(b"")
    write_images(root / "videos" / "VID02", [6])
    assert main(["check", str(root), "--workers", "0", "--json", str(tmp_path / "report.json")]) == 1
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["counts"] == {kinds.IMAGE_BROKEN: 1, kinds.IMAGE_WITHOUT_LABEL: 1}
    assert [problem["kind"] for problem in content["errors"]] == [kinds.IMAGE_BROKEN]
    assert content["notes"] == [
        {"kind": kinds.IMAGE_WITHOUT_LABEL, "video": "VID02", "detail": "000006.png has no label"}
    ]
    assert (content["layout"], content["images_read"]) == ("cholect50", True)
    assert content["statistics"]["frames"] == 6


def test_phases_are_taken_from_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_text_layout(tmp_path / "text", make_vocabulary(phases=()), {"VID02": make_video(VOCABULARY)})
    write_phase_file(tmp_path / "phases", 2, dict.fromkeys(range(6), "Preparation"))
    assert main(["check", str(root), "--phases", str(tmp_path / "phases"), "--quick"]) == 0
    assert "7 phases" in capsys.readouterr().out


def test_a_folder_that_is_no_data_set_is_refused_without_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("video-triplet check: ")
