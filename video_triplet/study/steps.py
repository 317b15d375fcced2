"""Steps of studies and demos: commands of `video-triplet`, which can be run alone, resumed, or sent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.runner import RunContext, run_steps
from nnunet_dsd.steps.step import Start, Step, Words

Call = Callable[[Sequence[str]], int]  # runs the arguments of a command of `video-triplet`, returns its exit status
Options = Mapping[str, Words]  # the words of each option, by its name such as `--seed`
PROGRAM = "video-triplet"
INTERRUPTED = 130  # exit status of a command that Ctrl-C ended


def command_step(title: str, words: Words, outputs: tuple[Path, ...] = ()) -> Step:
    """Return the step of a command, given by its arguments, with the files that it writes."""
    return Step(name=title, title=title, command=(PROGRAM, *words), outputs=outputs, prints=True)


def words_of(*options: Options) -> Words:
    """Return options as words; what is given for one training so replaces what is given for all before it."""
    merged: dict[str, Words] = {}
    for some in options:
        for name, words in some.items():
            merged.pop(name, None)
            merged[name] = words
    return tuple(word for name, words in merged.items() for word in (name, *words))


def called(steps: Iterable[Step], call: Call) -> list[Step]:
    """Return steps whose commands are run by a function instead of in a process of their own."""
    return [replace(step, work=_calling(step, call)) if step.command and not step.work else step for step in steps]


def run_all(steps: Sequence[Step], call: Call, *, console: Console | None = None, shows_commands: bool = False) -> None:
    """Run steps one after another in this process; those whose `is_done` says so are left alone.

    Raises:
        SetupError: if a command fails; what is finished stays.
    """
    display = Display(console or Console(), len(steps), shows_commands=shows_commands)
    run_steps(called(steps, call), RunContext(display=display))


def _calling(step: Step, call: Call) -> Callable[[Start], None]:
    def work(start: Start) -> None:
        status = call(step.command[1:])
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if status:
            raise SetupError(
                f"{step.title}: `{' '.join(step.command[:2])}` failed; what is finished stays, and the same command "
                "goes on from here"
            )

    return work
