"""Lies here so that every test can import `oracle` and `tiny_networks` from beside it, and seeds torch."""

import sys

import pytest


@pytest.fixture(autouse=True)
def seed_torch():
    """Seed torch for each test, where a test has loaded it at all."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(20251120)
