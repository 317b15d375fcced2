"""Files and folders are written whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnunet_dsd.common import files
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import (
    exclusive,
    require_writable,
    require_writable_file,
    whole_file,
    whole_folder,
    write_json,
    write_problem,
    write_rows,
    write_text,
)


def test_a_failed_write_keeps_the_previous_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def stop_in_the_middle() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_in_the_middle()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_keeps_the_ending(tmp_path: Path) -> None:
    with whole_file(tmp_path / "image.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("x")
    assert (tmp_path / "image.nii.gz").read_text() == "x"


def test_a_folder_appears_only_when_complete(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "set") as temporary:
        (temporary / "a").write_text("x")
        assert not (tmp_path / "set").exists()
    assert (tmp_path / "set" / "a").read_text() == "x"


def test_a_folder_with_content_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("x")
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "set"):
        pass
    assert (tmp_path / "set" / "mine").read_text() == "x"


def test_json_without_a_number_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"dice": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_by_one_and_let_go_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.0)

    def lock() -> AbstractContextManager[None]:
        return exclusive(tmp_path / "new" / ".lock", busy="busy")

    with lock(), pytest.raises(SetupError, match="busy"), lock():
        pytest.fail("two held it")
    with lock():
        pass


def test_a_lock_that_is_let_go_soon_is_waited_for(tmp_path: Path) -> None:
    with exclusive(tmp_path / ".lock", busy="busy"):
        waiting = threading.Thread(target=lambda: exclusive(tmp_path / ".lock", busy="busy").__enter__())
        waiting.start()
        time.sleep(0.3)
        assert waiting.is_alive()
    waiting.join(timeout=5)
    assert not waiting.is_alive()


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named_and_not_taken_for_a_busy_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(SetupError, match="where files cannot be locked") as caught,
        exclusive(tmp_path / "a", busy="no"),
    ):
        pytest.fail("there was no lock")
    assert str(caught.value).startswith(f"{tmp_path} lies where")
    assert os.strerror(number) in str(caught.value)


@dataclass(frozen=True)
class Row:
    name: str
    count: int
    share: float


def test_rows_have_their_fields_as_columns_and_undefined_numbers_are_empty_cells(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", Row, [Row('a, "b"', 2, 0.25), Row("c", 0, math.nan)])
    assert (tmp_path / "a.csv").read_bytes() == b'name,count,share\n"a, ""b""",2,0.25\nc,0,\n'
    write_rows(tmp_path / "a.csv", Row, [])
    assert (tmp_path / "a.csv").read_text() == "name,count,share\n"


def test_a_new_file_in_a_new_folder_can_be_written(tmp_path: Path) -> None:
    require_writable_file(tmp_path / "new" / "a.csv")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize("folder", ["/proc", "/proc/new/folder"])
def test_a_folder_that_takes_no_files_whatever_its_rights_say_is_refused(folder):
    with pytest.raises(SetupError, match=r"The results cannot be written to /proc.*: /proc "):
        require_writable(Path(folder))


def test_a_name_that_python_could_not_decode_is_written_as_it_was_typed(tmp_path: Path) -> None:
    typed = "\u809d".encode()
    write_text(tmp_path / "a.csv", typed.decode("ascii", "surrogateescape"))
    assert (tmp_path / "a.csv").read_bytes() == typed


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "new" / "below")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("folder", ["/proc/x", "/proc/x/y"])
def test_a_folder_is_tried_and_not_believed_to_be_writable(folder: str) -> None:
    with pytest.raises(SetupError, match=f"cannot be written to {folder}: /proc .*Give another folder with -o"):
        require_writable(Path(folder))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EROFS, "Read-only file system"), "is read-only"),
        (PermissionError(errno.EACCES, "Permission denied"), "is read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), "takes no new folder (No space left on device)"),
    ],
)
def test_what_keeps_a_folder_from_being_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    assert write_problem(tmp_path / "new") == f"{tmp_path} {reason}"


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    assert "takes no new folder" in str(write_problem(tmp_path / ("x" * 300)))
