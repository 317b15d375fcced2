"""The transfer demo: its steps, its numbers, and one whole run at the smallest size."""

import csv
import json
import math
from types import SimpleNamespace

import pytest

from nnunet_dsd.common.errors import SettingsError
from video_triplet.cli.main import build_parser, main
from video_triplet.demo import transfer
from video_triplet.demo.transfer import TransferFolder, TransferSettings, commands, demo_steps
from video_triplet.demo.transfer_results import TransferResult, TransferRow, as_markdown, draw, kept_fraction
from video_triplet.models import model_file


def test_every_step_is_a_command_that_can_be_parsed(tmp_path):
    for command in commands(TransferFolder(tmp_path), TransferSettings()).values():
        build_parser().parse_args(list(command))


def test_every_lambda_and_seed_starts_from_the_same_source_model_and_is_tested(tmp_path):
    settings = TransferSettings(lambdas=(0.0, 0.5), seeds=(3, 4))
    steps = commands(TransferFolder(tmp_path), settings).values()
    trainings = [step for step in steps if step[0] == "train-clips"]
    source, *targets = trainings
    assert "--weights" not in source
    for target, (seed, lambda_) in zip(targets, [(3, 0.0), (3, 0.5), (4, 0.0), (4, 0.5)], strict=True):
        assert target[target.index("--weights") + 1] == str(tmp_path / "runs" / "source" / "model.pt")
        assert target[target.index("--seed") + 1] == str(seed)
        assert ("--epoch-lambda" in target) == (lambda_ > 0)
        assert target[2] == ("ClipFineTuningEpochSD" if lambda_ else "ClipFineTuning")
    tested = [step[1] for step in steps if step[0] == "test-clips"]
    assert tested == [
        str(tmp_path / "runs" / f"lambda_{x}_seed_{s}" / "model.pt") for s in (3, 4) for x in ("0", "0.5")
    ]


def test_what_is_there_is_neither_rendered_nor_tested_again(tmp_path):
    steps = demo_steps(TransferFolder(tmp_path), TransferSettings(lambdas=(0.0,), seeds=(1,)))
    asked = [step for step in steps if step.is_done is not None]
    assert [step.title for step in asked] == [
        "render the source task: motions",
        "render the target task: shapes",
        "test lambda_0_seed_1",
    ]
    assert not any(step.is_done() for step in asked)
    (tmp_path / "data" / "source").mkdir(parents=True)
    assert [step.is_done() for step in asked] == [True, False, False]


def test_a_test_is_of_the_model_that_is_there(tmp_path, monkeypatch):
    model = tmp_path / "run" / "model.pt"
    monkeypatch.setattr(model_file, "read_record", lambda path: SimpleNamespace(checkpoint="new"))
    (tmp_path / "run" / "test").mkdir(parents=True)
    result = tmp_path / "run" / "test" / "test.json"
    for text, expected in (
        ('{"model": {"checkpoint": "new"}}', True),
        ('{"model": {"checkpoint": "old"}}', False),
        ("{", False),
    ):
        result.write_text(text)
        assert transfer.tested(model) is expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambdas": (0.1,)}, "0 must be among them"),
        ({"lambdas": (0.0, -1.0)}, "not below 0"),
        ({"lambdas": (0.0, float("nan"))}, "must be finite"),
        ({"lambdas": (0.0, 0.1, 0.1)}, "give each once"),
        ({"seeds": (-1,)}, "none below 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seeds": ()}, "at least one"),
        ({"target_epochs": 0, "groups": 1}, r"target_epochs is 0[\s\S]*groups is 1"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        TransferSettings(**changes)


RESULT = TransferResult(
    (
        TransferRow(0.0, 1, 80, 50),
        TransferRow(0.5, 1, 90, 70),
        TransferRow(0.0, 2, 82, 60),
        TransferRow(0.5, 2, 88, 90),
    ),
    before=90,
    untrained=40,
)


@pytest.mark.parametrize(("probe", "expected"), [(90, 100), (40, 0), (65, 50), (30, -20)])
def test_what_is_kept_is_measured_between_random_and_pre_trained_weights(probe, expected):
    assert kept_fraction(probe, RESULT) == pytest.approx(expected)


def test_nothing_is_kept_where_nothing_was_learned():
    assert math.isnan(kept_fraction(30, TransferResult((), before=38, untrained=40)))


def test_the_table_has_means_over_seeds(tmp_path):
    settings = TransferSettings(lambdas=(0.0, 0.5), seeds=(1, 2))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in as_markdown(settings, RESULT).splitlines()[2:4]
    ]
    assert rows[0] == ["0", "81.0 ± 1.4", "55.0 ± 7.1", "30.0 ± 14.1"]
    assert rows[1][1:3] == ["89.0 ± 1.4", "80.0 ± 14.1"]
    draw(settings, RESULT, tmp_path / "transfer.png")
    assert (tmp_path / "transfer.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_whole_demo_reports_both_tasks_and_goes_on_where_it_stopped(tmp_path, capsys):
    out = tmp_path / "demo"
    command = ["transfer-demo", "-o", str(out), "--lambdas", "0", "0.1", "--seeds", "1", "--source-epochs", "1"]
    command += ["--target-epochs", "1", "--groups", "4", "--clips", "1", "--width", "2"]
    assert main(command) == 0
    assert {"report.html", "transfer.png", "table.md", "results.csv"} <= {path.name for path in out.iterdir()}
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch_lambda"]) for row in rows] == [0.0, 0.1]
    for row in rows:
        run = out / "runs" / f"lambda_{float(row['epoch_lambda']):g}_seed_1"
        assert float(row["target_acc1"]) == pytest.approx(
            100 * json.loads((run / "test/test.json").read_text())["acc1"]
        )
        assert float(row["source_probe"]) == pytest.approx(
            100 * json.loads((run / "probe.json").read_text())["accuracy"]
        )
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name in ("model.pt", "probe.json")}
    capsys.readouterr()
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "probe lambda" not in capsys.readouterr().out
