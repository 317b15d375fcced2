"""Commands that are about one data set take it as a word, or with --data as all others do."""

import pytest

from video_triplet.cli.main import build_parser, main

COMMANDS = {"check": [], "prepare": ["-o", "cache"], "splits": ["--json"]}
every_command = pytest.mark.parametrize("name", COMMANDS)


@every_command
def test_a_word_and_the_option_are_the_same(name):
    further, parser = COMMANDS[name], build_parser()
    spellings = (["here", *further], [*further, "here"], ["--data", "here", *further], [*further, "--data=here"])
    first, *others = (vars(parser.parse_args([name, *words])) for words in spellings)
    assert str(first["data"]) == "here"
    assert all(other == first for other in others)


@every_command
def test_a_folder_that_is_not_there_is_named(name, tmp_path, capsys):
    for words in ([str(tmp_path / "gone")], ["--data", str(tmp_path / "gone")]):
        assert main([name, *words, *COMMANDS[name]]) == 1
        assert f"{tmp_path / 'gone'} is not a folder" in capsys.readouterr().err


@every_command
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--data", "b"], "--data: not allowed with argument PATH"),
        (["--data", "b", "a"], "PATH: not allowed with argument --data"),
        ([], "one of the arguments PATH --data is required"),
        (["--data", ""], "got an empty path"),
        ([""], "got an empty path"),
    ],
)
def test_both_none_and_an_empty_one_are_one_error(name, words, said, capsys):
    with pytest.raises(SystemExit) as ending:
        main([name, *words, *COMMANDS[name]])
    assert ending.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[0]
    assert lines[1:] == [f"`video-triplet {name} --help` shows what it takes"]
