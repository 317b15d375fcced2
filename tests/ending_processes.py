"""Work that ends its process or takes long, and what is left when the process that asked for it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

# A shell starts what runs in the background with interrupts ignored, and what that starts inherits it.
HEARS_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def die(*given: object, **more: object) -> None:
    """End this process at once, as the system does to one that takes too much memory."""
    os._exit(9)


def tell_and_wait(*given: object, **more: object) -> None:
    """Say on standard output that the work began, and take a minute for it."""
    os.write(1, b"at work\n")  # at once, where another process writes there too
    time.sleep(60)


def end_at_work(code: str, *arguments: object, ending: signal.Signals = signal.SIGKILL) -> tuple[int, bytes]:
    """Run code that lets two processes `tell_and_wait`, and end it; return its status and what was said on errors.

    An interrupt goes to all of them, as from a terminal; what is killed can tell nobody. The pipes end when the last
    process that writes to them has ended, and each would wait for a minute: so this fails where one is left.
    """
    places = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HEARS_INTERRUPTS + code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=places, start_new_session=True, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"at work\n"] * 2
        (os.killpg if ending == signal.SIGINT else os.kill)(process.pid, ending)
        rest, errors = process.communicate(timeout=20)
    assert rest == b""
    return process.returncode, errors
