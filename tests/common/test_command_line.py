"""The command line of both packages: mistakes are named in a sentence, options are taken whole, errors caught once."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_dsd.cli import env_command, list_command
from nnunet_dsd.cli import main as segmentation
from nnunet_dsd.common.command_line import CommandParser, OneValue, _takes_path
from video_triplet.cli import main as video

PROGRAMS = (segmentation.PROGRAM, video.PROGRAM)
PARSERS = {program.name: program.build_parser() for program in PROGRAMS}
EVERY_SUBCOMMAND = [(program, name) for program in PROGRAMS for name in program.subcommands]


def refusal(main, argv, capsys):
    """What a command line that is wrong usage prints to standard error."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def options_of(program, name):
    """The long options of a subcommand."""
    parser = CommandParser(prog=name)
    program.load_subcommand(name).add_arguments(parser)
    return [option for option in parser._option_string_actions if option.startswith("--") and option != "--help"]


@pytest.mark.parametrize(
    ("program", "name"), EVERY_SUBCOMMAND, ids=[f"{program.name} {name}" for program, name in EVERY_SUBCOMMAND]
)
def test_every_option_of_every_subcommand_is_suggested_for_a_mistyped_one(program, name, capsys):
    for option in options_of(program, name):
        mistyped = f"{option[:-1]}{option[-2:]}"
        said = refusal(PARSERS[program.name].parse_args, [name, mistyped, "1"], capsys)
        first, last = said.splitlines()
        assert first.startswith(f"{program.name} {name}: there is no option {mistyped}; did you mean "), said
        assert option in first
        assert last == f"`{program.name} {name} --help` shows what it takes"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["plan", "--temprature", "2"], "there is no option --temprature; did you mean --temperature?"),
        (["plan", "--temprature=2"], "there is no option --temprature; did you mean --temperature?"),
        (["plan", "--epocs", "2"], "there is no option --epocs; did you mean --epochs?"),
        (["plan", "--TEMPERATURE", "2"], "there is no option --TEMPERATURE; did you mean --temperature?"),
        (["plan", "--batch_size", "2"], "there is no option --batch_size; did you mean --batch-size?"),
        (["plan", "-output", "x"], "there is no option -output; did you mean --output?"),
        (["plan", "-dHippocampus"], "there is no option -dHippocampus; a value of -d stands apart: -d Hippocampus"),
        (["size", "-t", "x"], "there is no option -t; did you mean -tr?"),
        (["demo", "--trainer", "-x"], "as a value of --trainer it is written --trainer=-x"),
        (["--temperature", "2", "plan"], "options of a command go after it: nnunet-dsd COMMAND --temperature ..."),
        (["--versio"], "there is no option --versio; did you mean --version?"),
    ],
)
def test_a_mistyped_option_is_named_with_the_one_that_was_meant(argv, expected, capsys):
    assert expected in refusal(segmentation.main, argv, capsys).splitlines()[0]


@pytest.mark.parametrize("word", ["--temp", "--tempera", "--conf", "--over", "-chk", "--out=x"])
def test_no_abbreviation_is_taken(word, capsys):
    argv = ["plan", "-d", "4", "-c", "2d", "-o", "x", word, "2"]
    assert f"there is no option {word.partition('=')[0]}" in refusal(segmentation.main, argv, capsys)


def test_options_with_one_hyphen_are_not_shortened_either(capsys):
    assert "there is no option -ch; did you mean -chk" in refusal(
        segmentation.main, ["export", "m", "-o", "x", "-ch", "c"], capsys
    )


def test_several_unknown_options_are_all_named_before_what_is_missing(capsys):
    said = refusal(segmentation.main, ["plan", "--temprature", "2", "--epocs", "3"], capsys)
    assert said.splitlines() == [
        "nnunet-dsd plan: there are no such 2 options:",
        "  - --temprature; did you mean --temperature?",
        "  - --epocs; did you mean --epochs?",
        "`nnunet-dsd plan --help` shows what it takes",
    ]


@pytest.mark.parametrize(
    ("main", "argv", "expected"),
    [
        (segmentation.main, ["evalute"], "there is no command 'evalute'; did you mean evaluate?"),
        (segmentation.main, ["EVALUATE"], "there is no command 'EVALUATE'; did you mean evaluate?"),
        (video.main, ["soft_labels"], "there is no command 'soft_labels'; did you mean soft-labels?"),
        (video.main, ["frobnicate"], "there is no command 'frobnicate'; allowed are list, check, splits"),
        (segmentation.main, [], "a command is needed: list, env, doctor"),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_those_that_do(main, argv, expected, capsys):
    assert expected in refusal(main, argv, capsys)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["plan", "--epochs", "ten"], "nnunet-dsd plan: --epochs: got 'ten', expected a whole number"),
        (["plan", "--width", "wide"], "nnunet-dsd plan: --width: got 'wide', expected a number"),
        (["plan", "--reduction", "men"], "--reduction: got 'men'; did you mean mean? Allowed are sum, mean"),
        (["plan", "--reduction", "SUM"], "--reduction: got 'SUM'; did you mean sum? Allowed are sum, mean"),
        (["convert", "mmwh", ".", "-d", "5"], "data_set: got 'mmwh'; did you mean mmwhs?"),
        (["plan", "-d"], "-d/--dataset: expected one argument"),
        (["list", "all", "of", "them"], "nnunet-dsd list: there is no place for all of them"),
        (["plan", "-d", "4"], "the following arguments are required: -c/--configuration, -o/--output"),
    ],
)
def test_a_wrong_value_gets_two_lines_without_usage(argv, expected, capsys):
    lines = refusal(segmentation.main, argv, capsys).splitlines()
    assert expected in lines[0]
    assert lines[1:] == [f"`nnunet-dsd {argv[0]} --help` shows what it takes"]


def test_values_that_begin_with_a_minus_are_values():
    parsed = segmentation.build_parser().parse_args(
        ["convert", "mmwhs", ".", "-d5", "--clip", "-175", "-1e2", "--name=-x", "--processes", "-1"]
    )
    assert (parsed.clip, parsed.name, parsed.dataset, parsed.processes) == ([-175.0, -100.0], "-x", 5, -1)


def test_words_after_two_hyphens_and_words_with_blanks_are_no_options():
    parser = CommandParser(prog="p")
    parser.add_argument("words", nargs="*")
    assert parser.parse_args(["--", "--temprature", "-x"]).words == ["--temprature", "-x"]
    assert parser.parse_args(["-a text"]).words == ["-a text"]


def test_help_is_shown_whatever_else_is_there(capsys):
    with pytest.raises(SystemExit) as caught:
        segmentation.main(["plan", "--temprature", "2", "--help"])
    assert caught.value.code == 0
    assert "--temperature" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "nnunet_dsd list --json | head -c 10",
        "nnunet_dsd list | head -c 10",
        "video_triplet list | head -c 10",
        "nnunet_dsd --help | true",
        "video_triplet train --help | true",
    ],
)
def test_a_reader_that_has_gone_is_no_error(command):
    line = f"set -o pipefail; {sys.executable} -m {command}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60)
    assert (done.stderr, done.returncode) == (b"", 0)


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (PermissionError(13, "Permission denied", "x.txt"), 1, "nnunet-dsd env: [Errno 13] Permission denied: 'x.txt'"),
        (BrokenPipeError(32, "Broken pipe"), 1, "nnunet-dsd env: [Errno 32] Broken pipe"),
        (KeyboardInterrupt(), 130, "nnunet-dsd: interrupted"),
    ],
)
def test_errors_of_the_system_come_without_a_traceback(error, status, expected, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(env_command, "run", fail)
    assert segmentation.main(["env"]) == status
    assert capsys.readouterr().err == f"{expected}\n"


def test_errors_of_the_code_keep_their_traceback(monkeypatch):
    def fail(arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(list_command, "run", fail)
    with pytest.raises(ZeroDivisionError):
        segmentation.main(["list"])


def path_arguments(program, name):
    """The arguments of a subcommand that take a path, with what they are called in a message."""
    parser = CommandParser(prog=name)
    program.load_subcommand(name).add_arguments(parser)
    return [(action, argparse._get_action_name(action)) for action in parser._actions if _takes_path(action)]


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_no_option_takes_an_empty_path_for_the_current_folder(program, empty, capsys):
    asked = 0
    for name in program.subcommands:
        for action, called in path_arguments(program, name):
            parser, positional = CommandParser(prog=name), not action.option_strings
            parser._add_action(action)
            words = [empty] * (action.nargs if isinstance(action.nargs, int) else 1)
            said = refusal(parser.parse_args, words if positional else [action.option_strings[0], *words], capsys)
            assert str(called) in said
            assert "got an empty path, perhaps of a variable that is not set; the current folder is written ." in said
            asked += 1
    assert asked > 10


def test_an_empty_output_writes_nothing_into_the_current_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = refusal(segmentation.main, ["evaluate", ".", ".", "--labels", "a=1", "-o", ""], capsys)
    assert said.startswith("nnunet-dsd evaluate: -o/--output: got an empty path")
    assert list(tmp_path.iterdir()) == []


ENCODINGS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)
PRINTS = (
    "import sys; from nnunet_dsd.cli import env_command, main; "
    "env_command.run = lambda arguments: print('\\xb1 \\u809d\\u81d3') or 0; sys.exit(main.main(['env']))"
)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: "-".join(encoding.values()))
def test_what_standard_output_cannot_encode_is_printed_as_a_question_mark(encoding):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8")}
    done = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, timeout=60, env=environment | encoding)
    plus_minus = b"\xb1" if "cp1252" in encoding.values() else b"?"
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", plus_minus + b" ??\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("package", "words", "status"), [("nnunet_dsd", "list", 0), ("video_triplet", "check x", 1)])
def test_closed_streams_are_no_error(package, words, status, closed, tmp_path):
    line = f"cd {tmp_path} && {sys.executable} -m {package} {words} {closed}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, env={**os.environ, **PATHS})
    assert done.returncode == status
    assert b"Traceback" not in done.stderr


PATHS = {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_finds_no_room_is_said_in_a_sentence():
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS], stdout=full, stderr=subprocess.PIPE, timeout=60, env=environment
        )
    assert done.returncode == 1
    assert done.stderr == b"nnunet-dsd: standard output could not be written: [Errno 28] No space left on device\n"


def sample_word(action, number):
    """A word that an option takes."""
    if action.choices is not None:
        return str(next(iter(action.choices)))
    for word in (str(number + 1), f"1,{number + 2}", f"x{number}=1", f"x{number}"):
        try:
            if action.type is not None:
                action.type(word)
        except (ValueError, TypeError, argparse.ArgumentTypeError):
            continue
        return word
    raise ValueError(action)


def lone_parser(program, name):
    """The parser of a subcommand that needs none of its arguments."""
    parser = CommandParser(prog=name)
    program.load_subcommand(name).add_arguments(parser)
    for action in parser._actions:
        if action.option_strings:
            action.required = False
        else:
            action.nargs, action.choices = "*", None
    parser._mutually_exclusive_groups.clear()
    return parser


@pytest.mark.parametrize(
    ("program", "name"), EVERY_SUBCOMMAND, ids=[f"{program.name} {name}" for program, name in EVERY_SUBCOMMAND]
)
def test_options_of_several_words_add_up_and_of_single_values_the_last_one_holds(program, name):
    parser = lone_parser(program, name)
    for action in parser._actions:
        if not action.option_strings or isinstance(action, argparse._HelpAction):
            continue
        option, switch = action.option_strings[-1], action.nargs == 0
        if switch and not isinstance(action, argparse.BooleanOptionalAction):
            assert getattr(parser.parse_args([option, option]), action.dest) == action.const
            continue
        count = action.nargs if isinstance(action.nargs, int) else 1
        words = [[sample_word(action, number)] * count for number in range(2)]
        once = [parser.parse_args([option, *each]) for each in words]
        twice = [option, *words[0], option, *words[1]]
        if action.nargs in ("*", "+") and not isinstance(action, OneValue):
            first, second = (list(getattr(found, action.dest)) for found in once)
            assert list(getattr(parser.parse_args(twice), action.dest)) == first + second, option
        else:
            assert getattr(parser.parse_args(twice), action.dest) == getattr(once[1], action.dest), option


def test_a_parser_that_is_used_again_remembers_nothing():
    parser = CommandParser(prog="x")
    parser.add_argument("--one")
    parser.add_argument("--many", nargs="+", default=["usual"])
    for _ in range(2):
        found = parser.parse_args(["--many", "a", "--one", "1", "--many", "b", "c"])
        assert (found.one, found.many) == ("1", ["a", "b", "c"])
    assert parser.parse_args([]).many == ["usual"]
