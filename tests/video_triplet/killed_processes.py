"""Training commands that are killed in the middle and run again."""

import os
import signal
import subprocess

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def kill_and_continue(command, line):
    """Kill a command as soon as it prints a line with this start, run it again, and return what it then printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    for printed in process.stdout:
        if printed.startswith(line):
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    return finish(command)


def finish(command):
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout
