"""`video-triplet demo`: the whole of it at the smallest size, going on, and what is refused."""

import dataclasses
import io

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SettingsError, SetupError
from video_triplet.cli.main import main
from video_triplet.demo.pipeline import MARKER, DemoFolder, DemoSettings, claim, run_demo
from video_triplet.rendered.triplets import render_dataset

SMALLEST = DemoSettings(videos=4, frames=16, teacher_epochs=1, student_epochs=1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A finished demo and the commands it said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    console = Console(file=io.StringIO(), width=400)
    run_demo(folder, SMALLEST, main, console=console)
    return DemoFolder(folder), console.file.getvalue().splitlines()


def test_the_report_has_scores_figures_and_commands(demo):
    page = demo[0].report.read_text()
    assert all(name in page for name in ("SwinT+SelfD", "SwinT+MultiT+SelfD+Ens", "mAP iv", "cross-validate"))
    assert page.count("data:image/png;base64,") >= 3
    assert "components in common" in page
    assert "CholecT45" not in page


def test_every_step_was_a_command_that_a_user_can_type(demo):
    commands = [text.split()[2] for text in demo[1] if text.strip().startswith("$ video-triplet")]
    assert commands == ["check", "prepare", "cross-validate", "analyse", "predict"]


def test_predictions_and_an_annotated_video_are_there(demo):
    assert (demo[0].analysis / "VID01" / "frames.csv").is_file()
    assert (demo[0].analysis / "VID01.mp4").stat().st_size > 1000


def test_a_second_run_trains_nothing_again(demo, capsys):
    models = {path: path.stat().st_mtime_ns for path in demo[0].runs.rglob("*.pt")}
    assert len(models) >= 16
    run_demo(demo[0].root, SMALLEST, main)
    assert {path: path.stat().st_mtime_ns for path in demo[0].runs.rglob("*.pt")} == models


def test_a_demo_of_other_settings_is_refused_unless_restarted(demo, tmp_path):
    claim(tmp_path / "demo", SMALLEST, restart=False)
    other = dataclasses.replace(SMALLEST, frames=20)
    with pytest.raises(SetupError, match="demo of other settings; add --restart"):
        claim(tmp_path / "demo", other, restart=False)
    claim(tmp_path / "demo", other, restart=True)
    assert '"frames": 20' in (tmp_path / "demo" / MARKER).read_text()


def test_a_folder_with_something_else_is_never_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SetupError, match="holds something that is not this demo's"):
        claim(tmp_path, SMALLEST, restart=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_step_that_fails_stops_the_demo_with_its_name(tmp_path):
    claim(tmp_path, SMALLEST, restart=False)
    render_dataset(tmp_path / "data", videos=4, frames=16, seed=1)
    next((tmp_path / "data" / "data" / "VID02").glob("*.png")).write_bytes(b"broken")
    with pytest.raises(SetupError, match="`video-triplet check` failed"):
        run_demo(tmp_path, SMALLEST, main)


def test_a_demo_that_is_too_small_to_run_is_refused_before_it_starts(tmp_path):
    with pytest.raises(SettingsError) as caught:
        claim(tmp_path / "demo", dataclasses.replace(SMALLEST, videos=2, frames=4), restart=False)
    assert "videos is 2, it must be at least 4" in str(caught.value)
    assert "frames is 4, it must be at least 16" in str(caught.value)
    assert not (tmp_path / "demo").exists()
