"""Lies here so that every test can import `oracle` and `tiny_networks` from beside it; seeds torch; spares time."""

import gc
import sys

import pytest


class Frozen:
    """Leaves what was imported out of garbage collections: half a million objects that stay anyway."""

    MANY_MODULES = 200
    modules = 0

    @classmethod
    def add_what_is_there(cls):
        gc.collect()
        gc.freeze()
        cls.modules = len(sys.modules)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    """Leave out what the test modules import."""
    gc.disable()
    yield
    Frozen.add_what_is_there()
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def leave_out_later_imports():
    """Leave out what tests have imported, too, where it is much."""
    yield
    if len(sys.modules) > Frozen.modules + Frozen.MANY_MODULES:
        Frozen.add_what_is_there()


def pytest_sessionfinish():
    """Let the interpreter clear up as it always does."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def seed_torch():
    """Seed torch for each test, where a test has loaded it at all."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(20251120)


@pytest.fixture
def unrendered_figures(monkeypatch):
    """A comparison's figures are made but not rendered, which takes most of its time: their files hold a word each."""

    def save(figure, folder, name):
        for ending in ("png", "svg", "pdf"):
            (folder / f"{name}.{ending}").write_text(name)

    monkeypatch.setattr("nnunet_dsd.comparison.figure_files.save_figure", save)
