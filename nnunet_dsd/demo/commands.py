"""Commands as a user types them, and how to start them in this very interpreter."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points

from nnunet_dsd.common.errors import SetupError

OWN_COMMAND = "nnunet-dsd"


@dataclass(frozen=True)
class Command:
    """A command line in words, the program's name first."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return the line to type in a shell."""
        return shlex.join(self.words)

    def argv(self) -> list[str]:
        """Return what to start: the same program, by this interpreter, whether or not its script is on the PATH.

        Raises:
            SetupError: if no installed package offers the command.
        """
        name, arguments = self.words[0], list(self.words[1:])
        if name == OWN_COMMAND:
            return [sys.executable, "-m", "nnunet_dsd", *arguments]
        return [sys.executable, "-c", launcher(name), *arguments]


def launcher(name: str) -> str:
    """Return a line of Python that calls the function behind an installed console script.

    Raises:
        SetupError: if no installed package offers it.
    """
    found = tuple(entry_points(group="console_scripts", name=name))
    if not found:
        raise SetupError(
            f"No installed package offers the command {name}; is nnunetv2 installed for {sys.executable}? "
            "Run `nnunet-dsd doctor` to see what is missing."
        )
    module, _, function = found[0].value.partition(":")
    return f"import sys; sys.argv[0] = {name!r}; from {module} import {function} as main; sys.exit(main())"
