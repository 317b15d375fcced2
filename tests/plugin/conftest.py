"""Throwaway environments: this interpreter's packages, plus what a test installs, minus our own start-up file."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# Python 3.10 has no scheme of that name; there the ordinary one lays out virtual environments
SCHEME = "venv" if "venv" in sysconfig.get_scheme_names() else "nt" if os.name == "nt" else "posix_prefix"
EXAMPLE_PAGE = REPOSITORY / "docs" / "how-to" / "add-a-trainer.md"
INHERITED_AND_MISLEADING = ("nnUNet_extTrainer", "NNUNET_DSD_NO_AUTOLOAD", "PYTHONPATH", "PYTHONSAFEPATH")


class Environment:
    """A virtual environment without pip whose base is the running interpreter's environment."""

    def __init__(self, folder):
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        scheme = sysconfig.get_paths(SCHEME, vars={"base": str(folder), "platbase": str(folder)})
        self.packages = Path(scheme["purelib"])
        self.scripts = Path(scheme["scripts"])
        self.python = self.scripts / Path(sys.executable).name.replace("python3.exe", "python.exe")
        self.folder = folder
        base = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
        (self.packages / "zz_base.pth").write_text("\n".join(base))

    def install(self, *arguments):
        self._pip(
            "install", "--ignore-installed", "--no-deps", "--no-index", "--no-build-isolation", *map(str, arguments)
        )

    def uninstall(self, name):
        self._pip("uninstall", "--yes", name)

    def run(self, *command, **variables):
        """Run a command with a clean environment, outside the checkout, and return what it did."""
        environment = {key: value for key, value in os.environ.items() if key not in INHERITED_AND_MISLEADING}
        return subprocess.run(
            [str(part) for part in command],
            env=environment | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def evaluate(self, expression, *options, **variables):
        """Evaluate a Python expression; `os` and `sys` are imported."""
        done = self.run(self.python, *options, "-c", f"import os, sys; print({expression})", **variables)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.removesuffix("\n")

    def _pip(self, *arguments):
        done = self.run(sys.executable, "-m", "pip", "--quiet", "--python", self.python, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def example_files():
    """The files of the how-to page's example package: its code blocks with a title."""
    blocks = re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', EXAMPLE_PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(blocks)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Our wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(REPOSITORY)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def with_wheel(wheel, tmp_path_factory):
    """An environment with our wheel; tests only read it."""
    environment = Environment(tmp_path_factory.mktemp("environment") / "with_wheel")
    environment.install(wheel)
    return environment


@pytest.fixture
def make_environment(tmp_path):
    """A function that makes an environment for a test of its own."""
    return lambda: Environment(tmp_path / "environment")


@pytest.fixture(scope="session")
def example_package(tmp_path_factory):
    """The how-to page's example package, written to a folder."""
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder
