"""The command line of both packages: arguments in whole words, mistakes named in a sentence, errors caught once."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

from nnunet_dsd import __version__
from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.common.likeness import did_you_mean

# Also 1e-4: argparse's own pattern takes -1e-4 for an option.
NEGATIVE_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
EXPECTED = {int: "a whole number", float: "a number"}


SEVERAL = ("*", "+")  # an option's words, as argparse writes it


class Subcommand(Protocol):
    """What the module of a subcommand offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add this subcommand's arguments to its parser."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


@dataclass(frozen=True)
class Program:
    """A command with subcommands, one module `NAME_command` of a package for each.

    Attributes:
        name: What users type.
        description: One sentence.
        package: The package that holds the modules.
        subcommands: Their names; `soft-labels` is in `soft_labels_command`.
    """

    name: str
    description: str
    package: str
    subcommands: tuple[str, ...]

    def load_subcommand(self, name: str) -> Subcommand:
        """Import the module of one subcommand; heavy libraries wait until it runs."""
        return cast(Subcommand, importlib.import_module(f"{self.package}.{name.replace('-', '_')}_command"))

    def build_parser(self) -> CommandParser:
        """Build the parser with every subcommand's arguments."""
        parser = CommandParser(prog=self.name, description=self.description)
        parser.add_argument("--version", action="version", version=f"{self.name} {__version__}")
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
        for name in self.subcommands:
            subcommand = self.load_subcommand(name)
            subparser = subparsers.add_parser(name, help=subcommand.SUMMARY, description=subcommand.SUMMARY)
            subcommand.add_arguments(subparser)
            subparser.set_defaults(run=subcommand.run)
        return parser

    def run(self, argv: Sequence[str] | None = None) -> int:
        """Run a command line and return its exit status; our own errors are printed without a traceback.

        The status is 0: done, or nobody reads the output any more; 1: refused with a message, or the output could not
        be written; 130: interrupted. Wrong usage ends the process with status 2.
        """
        _prepare_output()
        try:
            try:
                return self._run(self.build_parser().parse_args(argv))
            finally:
                sys.stdout.flush()  # here, where a reader that has gone is noticed, and not while Python ends
        except BrokenPipeError:
            _forget_output()
            return 0
        except OSError as error:  # a full disk behind standard output
            _forget_output()
            print(f"{self.name}: standard output could not be written: {error}", file=sys.stderr)
            return 1
        except SystemExit as ending:
            if isinstance(ending.__context__, BrokenPipeError):  # so rich's console ends
                return 0
            raise
        except KeyboardInterrupt:
            print(f"{self.name}: interrupted", file=sys.stderr)
            return 130

    def _run(self, arguments: argparse.Namespace) -> int:
        try:
            return int(arguments.run(arguments))
        except (DistillationError, OSError) as error:
            if isinstance(error, BrokenPipeError) and _reader_has_gone():
                raise
            print(f"{self.name} {arguments.subcommand}: {error}", file=sys.stderr)
            return 1


def _prepare_output() -> None:
    """Let no output fail: nothing reads what goes to a closed stream, and `?` stands for what cannot be encoded."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell's >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        elif isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def _reader_has_gone() -> bool:
    """Tell whether standard output is a pipe that nobody reads any more, as after `| head`."""
    if not hasattr(select, "poll"):  # Windows, where such a pipe raises another error
        return False
    try:
        descriptor = sys.stdout.fileno()
    except io.UnsupportedOperation:  # no file stands behind it
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # errors and hang-ups are always told
    return bool(poll.poll(0))


def _takes_path(action: argparse.Action) -> bool:
    """Tell whether an argument is a path, or a word that holds one such as NAME=FILE."""
    return action.type is Path or any(word in str(action.metavar) for word in ("FOLDER", "FILE", "PATH"))


def _forget_output() -> None:
    """Let what is left of the output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class OneValue(argparse._StoreAction):
    """Stores the words of an option that are one value together, such as a patch size, so that more are no addition."""


class ShapesHelp(argparse._StoreAction):
    """An option whose value, wherever it stands, changes what `--help` shows."""

    def shape_help(self, parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
        """Change the parser, whose help is about to be shown, as the words of the command line ask."""
        raise NotImplementedError


class CommandParser(argparse.ArgumentParser):
    """A parser that says what is wrong in a sentence, with what was probably meant, and takes options whole only.

    An option of several words that is repeated takes the words of all; of single values the last one holds, as usual.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})
        self._negative_number_matcher = NEGATIVE_NUMBER
        self._given: dict[argparse.Action, Any] = {}
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; unlike argparse's own, refuse what is not known, all of it at once and before what is missing."""
        self._words = words = sys.argv[1:] if args is None else list(args)
        self._given = {}
        self._refuse_unknown_options(words)
        found, surplus = super().parse_known_args(words, namespace)
        if surplus:
            self.error(f"there is no place for {' '.join(surplus)}")
        return found, surplus

    def format_help(self) -> str:
        """Return the help text, shaped by what else the command line says."""
        for action in self._actions:
            if isinstance(action, ShapesHelp):
                action.shape_help(self, self._words)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Print the message with the command it is about, and end with status 2."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}\n`{self.prog} --help` shows what it takes\n")

    def _refuse_unknown_options(self, words: Sequence[str]) -> None:
        own = self._own_words(words)
        if {"-h", "--help", "--version"} & set(own):
            return
        problems = [
            self._unknown_option(word, own[position - 1] if position else "")
            for position, word in enumerate(own)
            if self._is_unknown_option(word)
        ]
        if len(problems) == 1:
            self.error(f"there is no option {problems[0]}")
        if problems:
            self.error(
                "\n".join([f"there are no such {len(problems)} options:", *(f"  - {each}" for each in problems)])
            )

    def _own_words(self, words: Sequence[str]) -> list[str]:
        """Return the words that may be options of this parser: those before `--`, and before a subcommand."""
        if self._subparsers is None:
            ends = [position for position, word in enumerate(words) if word == "--"]
        else:
            ends = [position for position, word in enumerate(words) if not word.startswith("-")]
            if not ends and not words:
                self.error(f"a command is needed: {', '.join(self._subcommands())}")
        return list(words[: ends[0]] if ends else words)

    def _subcommands(self) -> list[str]:
        actions = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [name for action in actions for name in action.choices]

    def _is_unknown_option(self, word: str) -> bool:
        option = word.partition("=")[0]
        if option in self._option_string_actions or not word.startswith("-") or word == "-" or " " in word:
            return False
        if NEGATIVE_NUMBER.match(word):
            return False
        if option.startswith("--"):
            return True
        # -d4 is -d with its value, but -output, and -chk where there is only -c, are options that do not exist
        return option[:2] not in self._option_string_actions or option[2].isalpha()

    def _unknown_option(self, word: str, before: str) -> str:
        option = word.partition("=")[0]
        hints = [hint] if (hint := did_you_mean(option, self._option_string_actions)) else []
        if self._subparsers is not None and not hints:
            hints.append(f"options of a command go after it: {self.prog} COMMAND {option} ...")
        elif option[:2] in self._option_string_actions:
            hints.append(f"a value of {option[:2]} stands apart: {option[:2]} {word[2:]}")
        taker = self._option_string_actions.get(before)
        if taker is not None and taker.nargs != 0:
            hints.append(f"as a value of {before} it is written {before}={word}")
        return "; ".join([option, *hints])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        allowed = [str(choice) for choice in action.choices]
        hint = did_you_mean(value, allowed)
        known = f"{hint} Allowed are {', '.join(allowed)}" if hint else f"allowed are {', '.join(allowed)}"
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"there is no command {value!r}; {known}")
        raise argparse.ArgumentError(action, f"got {value!r}; {known}")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Return the values of one occurrence of an option, or of an argument, with those of the earlier ones."""
        values = super()._get_values(action, arg_strings)
        if not action.option_strings or isinstance(action, argparse._AppendAction):
            return values
        if action.nargs in SEVERAL and not isinstance(action, OneValue):
            values = self._given[action] = [*self._given.get(action, ()), *values]
        return values

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if _takes_path(action) and not arg_string.strip():  # Path("") would be the current folder
            raise argparse.ArgumentError(
                action, "got an empty path, perhaps of a variable that is not set; the current folder is written ."
            )
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            expected = EXPECTED.get(action.type) if isinstance(action.type, type) else None
            if expected is None:
                raise
            raise argparse.ArgumentError(action, f"got {arg_string!r}, expected {expected}") from None
