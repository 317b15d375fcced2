"""Training commands in processes of their own."""

import os
import signal
import subprocess

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def kill(command, line):
    """Kill a command as soon as it prints a line with this start.

    It is for a test to run it again, where it can in its own process: another one imports torch for seconds.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    for printed in process.stdout:
        if printed.startswith(line):
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL


def finish(command):
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout
