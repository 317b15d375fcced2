"""What a list of steps is made of: commands as a user would type them, and work within this process."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Words = tuple[str, ...]
Start = Callable[[Words], None]  # runs a command to its end


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a command, or work within this process, which may start commands itself.

    A step that says neither by `is_done` nor by a marker (see `Markers`) whether it has finished is run every time: its
    command sees for itself what there is to do.

    Attributes:
        name: Of its marker; unique in its list.
        title: What is shown.
        command: The command as a user types it, the program's name first; empty where there is none.
        resume_words: Gives the words that are added to it where an earlier attempt is gone on with; None where every
            attempt starts afresh.
        work: What is called instead of starting the command; gets what starts commands.
        outputs: Files that are there when it has finished.
        is_done: Whether it has finished, by the files that are there.
        log: Gets the output of commands, and the traceback of work that fails.
        prints: Whether it prints what it does by itself, so that only its title is shown.
        parameters: What its outcome depends on, apart from the steps before it.
        owned: What is deleted before it starts afresh.
        epochs: How many epochs the command will report; None where it is no training, or that is not known.
    """

    name: str
    title: str
    command: Words = ()
    resume_words: Callable[[], Words] | None = None
    work: Callable[[Start], object] | None = None
    outputs: tuple[Path, ...] = ()
    is_done: Callable[[], bool] | None = None
    log: Path | None = None
    prints: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    owned: tuple[Path, ...] = ()
    epochs: int | None = None

    @property
    def shell_line(self) -> str:
        """The command as a line of a shell script; empty where there is none."""
        return shlex.join(self.command)

    def command_now(self) -> Words:
        """Return the command that goes on where an earlier attempt stopped, as far as it can."""
        return (*self.command, *(self.resume_words() if self.resume_words else ()))

    def missing_outputs(self) -> list[Path]:
        """Return the outputs that are not there."""
        return [path for path in self.outputs if not path.exists()]
