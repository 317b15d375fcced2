"""Lies here so that every test can import `oracle` and `tiny_networks` from beside it; seeds torch; spares time."""

import gc
import sys

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    """Leave what the test modules import out of garbage collections: half a million objects that stay anyway."""
    gc.disable()
    yield
    gc.collect()
    gc.freeze()
    gc.enable()


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
