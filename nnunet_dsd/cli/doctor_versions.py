"""Doctor's checks of versions: what is installed against the ranges this distribution was published with."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nnunet_dsd.cli.doctor_findings import Finding

DISTRIBUTION = "nnunet-dsd"


def find_distribution() -> Distribution | None:
    """The installed distribution, or None when the code runs from a folder that was never installed."""
    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def check_python() -> Iterator[Finding]:
    """Is this Python one that the distribution supports?"""
    installed = find_distribution()
    if installed is None:
        advice = "install it: pip install nnunet-dsd, or pip install -e . in a clone"
        yield Finding(DISTRIBUTION, "problem", "imported, but not installed; nnU-Net will not find it", advice)
        return
    yield Finding(DISTRIBUTION, "ok", f"{installed.version}, metadata in {installed.locate_file('')}")
    allowed = installed.metadata["Requires-Python"]
    yield judge_version("Python", platform.python_version(), SpecifierSet(allowed or ""))


def check_requirements() -> Iterator[Finding]:
    """Is every package we need installed, in a version we support?"""
    installed = find_distribution()
    for line in (installed.requires or []) if installed else []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield check_requirement(requirement)


def check_requirement(requirement: Requirement) -> Finding:
    """Look at one requirement."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "problem", "not installed", f'pip install "{requirement}"')
    return judge_version(requirement.name, found, requirement.specifier)


def judge_version(name: str, found: str, allowed: SpecifierSet) -> Finding:
    """Hold one version against its range."""
    if allowed.contains(found, prereleases=True):
        return Finding(name, "ok", f"{found} (supported: {allowed})")
    if name == "Python":
        return Finding(name, "problem", f"{found}, supported: {allowed}", "make an environment with another Python")
    return Finding(name, "problem", f"{found}, supported: {allowed}", f'pip install "{name}{allowed}"')
