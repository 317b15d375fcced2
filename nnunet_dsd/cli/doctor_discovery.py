"""Doctor's checks of discovery: will nnU-Net find the trainers in this environment?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from nnunet_dsd.cli.doctor_findings import Finding
from nnunet_dsd.cli.doctor_versions import find_distribution
from nnunet_dsd.plugin.startup import OPT_OUT_VARIABLE, SEARCH_PATH_VARIABLE, is_on_search_path, is_opted_out
from nnunet_dsd.registry import TrainerEntry, TrainerKind, all_trainers, registry_problems

LOOKUP = "nnU-Net's look-up"
STARTUP_FILES = ("nnunet_dsd_search_path.pth", "nnunet_dsd_search_path.start")
SET_IT_YOURSELF = 'run eval "$(nnunet-dsd env)" in the shell, or put the line `nnunet-dsd env` prints into its profile'


def check_startup_file() -> Iterator[Finding]:
    """Are the files there that Python reads when it starts?"""
    installed = find_distribution()
    if installed is None:
        return
    missing = [name for name in STARTUP_FILES if not os.path.isfile(str(installed.locate_file(name)))]
    if missing:
        advice = f"reinstall: pip install --force-reinstall --no-deps nnunet-dsd; until then {SET_IT_YOURSELF}"
        yield Finding("start-up files", "warning", f"missing: {', '.join(missing)}", advice)
    else:
        yield Finding("start-up files", "ok", f"{' and '.join(STARTUP_FILES)} in {installed.locate_file('')}")


def check_search_path() -> Iterator[Finding]:
    """Does nnUNet_extTrainer name our folder, and is the opt-out set?"""
    value = os.environ.get(SEARCH_PATH_VARIABLE)
    if is_opted_out():
        found = f"{OPT_OUT_VARIABLE} is set: the start-up file does nothing"
        yield Finding("opt-out", "warning", found, f"unset {OPT_OUT_VARIABLE}, or {SET_IT_YOURSELF}")
    if is_on_search_path(value):
        yield Finding(SEARCH_PATH_VARIABLE, "ok", f"names our folder: {value}")
    else:
        yield Finding(SEARCH_PATH_VARIABLE, "problem", f"does not name our folder: {value}", SET_IT_YOURSELF)


def check_registry() -> Iterator[Finding]:
    """Could the entry points of every installed package be read?"""
    for problem in registry_problems():
        advice = "update or uninstall that package; its other trainers and ours are not affected"
        yield Finding("registered trainers", "problem", str(problem), advice)
    by_kind = ", ".join(f"{len(all_trainers(kind))} for {kind}" for kind in get_args(TrainerKind))
    found = f"{len(all_trainers())} can be used ({by_kind}), see `nnunet-dsd list`"
    yield Finding("registered trainers", "ok", found)


def check_lookup() -> Iterator[Finding]:
    """Does nnU-Net's own look-up return each segmentation trainer? Not asked when our folder is not on its path."""
    if not is_on_search_path(os.environ.get(SEARCH_PATH_VARIABLE)):
        return
    from nnunet_dsd.plugin.lookup import many_lookups

    trainers = all_trainers("segmentation")
    names_by_finding: dict[Finding, list[str]] = {}
    with many_lookups():
        for entry in trainers:
            names_by_finding.setdefault(look_up(entry), []).append(entry.name)
    for finding, names in names_by_finding.items():
        which = f"{len(names)} of {len(trainers)} for segmentation" if finding.state == "ok" else ", ".join(names)
        yield replace(finding, found=f"{which}: {finding.found}")


def look_up(entry: TrainerEntry) -> Finding:
    """Let nnU-Net search for one trainer and compare what it finds; equal findings of several trainers are equal."""
    from nnunet_dsd.plugin.lookup import find_with_nnunet

    module = entry.target.partition(":")[0]
    try:
        registered = entry.load()
        found = find_with_nnunet(entry.name)
    except Exception as error:  # trainers are third-party code, and nnU-Net imports every module on its search path
        cause = error.__cause__ or error
        advice = f"update or reinstall the package of {module}; check the other folders of {SEARCH_PATH_VARIABLE}"
        return Finding(LOOKUP, "problem", f"{module}: {type(cause).__name__}: {cause}", advice)
    if found is not registered:
        advice = "rename that trainer, if it was not meant to replace this one"
        return Finding(LOOKUP, "warning", f"nnU-Net uses {found.__module__} instead of {entry.target}", advice)
    return Finding(LOOKUP, "ok", "found, and the class is the registered one")
