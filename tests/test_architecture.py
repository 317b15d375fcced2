"""The house's rules: imports go one way, only the glue imports nnU-Net, and importing the packages is light."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# Which parts of a package a part may import besides itself. A part that is new must be named here; no circles.
SEGMENTATION = {
    "common": set(),
    "steps": {"common"},
    "registry": {"common"},
    "presets": {"common"},
    "nnunet_folders": {"common"},
    "distillation": {"common"},
    "graphs": {"common"},
    "soft_labels": {"common"},
    "networks": {"common", "distillation"},
    "config": {"common", "distillation", "networks"},
    "plans": {"common", "config", "networks", "nnunet_folders", "presets"},
    "trainers": {"common", "config", "distillation", "networks", "registry", "soft_labels"},
    "plugin": {"common", "registry"},
    "datasets": {"common", "nnunet_folders"},
    "labelling": {"common", "datasets", "nnunet_folders", "plans", "soft_labels", "trainers"},
    "evaluation": {"common", "datasets"},
    "comparison": {"common", "evaluation"},
    "attribution": {"common", "datasets", "evaluation", "networks", "trainers"},
    "ablation": {
        "common",
        "comparison",
        "config",
        "datasets",
        "evaluation",
        "nnunet_folders",
        "plans",
        "presets",
        "registry",
        "steps",
    },
    "pipelines": {
        "ablation",
        "common",
        "config",
        "deploy",
        "evaluation",
        "labelling",
        "plans",
        "registry",
        "soft_labels",
        "steps",
        "trainers",
    },
    "deploy": {"common", "evaluation", "graphs", "trainers"},
    "demo": {"common", "datasets", "distillation", "evaluation", "registry", "steps"},
    "__init__": set(),
    "__main__": {"cli"},
}
VIDEO = {
    "vocabulary": set(),
    "settings": {"vocabulary"},
    "distillation": set(),
    "data": {"vocabulary"},
    "predictions": {"data", "vocabulary"},
    "models": {"data", "predictions", "settings", "vocabulary"},
    "rendered": {"data", "predictions", "vocabulary"},
    "analysis": {"data", "predictions", "vocabulary"},
    "clips": {"data", "models", "settings"},
    "trainers": {"clips", "data", "distillation", "models", "predictions", "settings", "vocabulary"},
    "selection": {"analysis", "data", "models", "predictions", "trainers", "vocabulary"},
    "study": {"clips", "data", "models", "predictions", "rendered", "selection", "settings", "trainers", "vocabulary"},
    "deploy": {"data", "models", "predictions", "vocabulary"},
    "demo": {"analysis", "clips", "models", "rendered", "study"},
    "__init__": set(),
    "__main__": {"cli"},
}
for table in (SEGMENTATION, VIDEO):
    table["cli"] = set(table) - {"__main__"}
TABLES = {"nnunet_dsd": SEGMENTATION, "video_triplet": VIDEO}
SHARED = {"common", "steps", "registry", "distillation", "graphs"}  # what video_triplet may import of nnunet_dsd
GLUE = {"trainers", "labelling", "plugin"}
SOURCES = sorted(path for package in ("nnunet_dsd", "video_triplet") for path in (REPOSITORY / package).rglob("*.py"))


def imported_modules(path):
    """Every module a file imports, inside functions too, as dotted names; relative imports are made absolute."""
    package = list(path.relative_to(REPOSITORY).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from nnunet_dsd import registry` imports the module nnunet_dsd.registry
            yield from (f"{origin}.{alias.name}" if origin in TABLES else origin for alias in node.names)


def part_of(path):
    """The folder or module of its package that a file belongs to."""
    return path.relative_to(REPOSITORY).with_suffix("").parts[1]


def imported_parts(path, package):
    """The parts of a package that a file imports; what the package itself offers counts as `__init__`."""
    for module in imported_modules(path):
        names = module.split(".")
        if names[0] == package:
            yield names[1] if len(names) > 1 and names[1] in TABLES[package] else "__init__"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_imports_go_one_way(path):
    package, part = path.relative_to(REPOSITORY).parts[0], part_of(path)
    assert part in TABLES[package], f"{part} is new: say in the table what it may import"
    assert set(imported_parts(path, package)) <= TABLES[package][part] | {part, "__init__"}
    others = {"nnunet_dsd": set(), "video_triplet": SHARED | {"__init__"}}
    other = next(name for name in TABLES if name != package)
    assert set(imported_parts(path, other)) <= others[package]


@pytest.mark.parametrize("package", TABLES)
def test_the_tables_have_no_circle_and_name_nothing_that_is_gone(package):
    TopologicalSorter(TABLES[package]).prepare()
    assert {part_of(path) for path in SOURCES if path.is_relative_to(REPOSITORY / package)} == set(TABLES[package])


@pytest.mark.parametrize("package", TABLES)
def test_the_page_has_the_same_table(package):
    page = (REPOSITORY / "docs/development/architecture.md").read_text()
    section = page.split(f"## {package}\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE))
    expected = {part: parts for part, parts in TABLES[package].items() if not part.startswith("__")}
    assert rows.pop("cli") == "all"
    assert {part: set(re.findall(r"`(\w+)`", text)) for part, text in rows.items()} == {
        part: parts for part, parts in expected.items() if part != "cli"
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_only_the_glue_imports_nnunet(path):
    imports_nnunet = "nnunetv2" in {module.split(".")[0] for module in imported_modules(path)}
    assert not imports_nnunet or (path.is_relative_to(REPOSITORY / "nnunet_dsd") and part_of(path) in GLUE)


def test_the_glue_does_import_nnunet_so_that_the_test_above_sees_something():
    importing = [path for path in SOURCES if "nnunetv2" in {name.split(".")[0] for name in imported_modules(path)}]
    assert {part_of(path) for path in importing} == GLUE


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_there_is_no_assert_outside_the_tests(path):
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))


@pytest.mark.parametrize(
    "module",
    [
        "nnunet_dsd",
        "video_triplet",
        "nnunet_dsd.registry",
        "nnunet_dsd.config.settings",
        "nnunet_dsd.common.command_line",
        "nnunet_dsd.trainers.catalog",
        "nnunet_dsd.trainers.readers",
        "video_triplet.trainers.catalog",
    ],
)
def test_importing_a_light_module_loads_nothing_heavy(module):
    heavy = {"torch", "nnunetv2", "lightning", "pytorch_lightning", "monai", "numpy"}
    code = f"import sys; import {module}; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", ["nnunet_dsd", "video_triplet"])
def test_the_command_line_starts_without_heavy_libraries(package):
    code = (
        f"import sys; from {package}.cli.main import build_parser; build_parser(); "
        "print(*({'torch', 'nnunetv2', 'lightning', 'sklearn', 'matplotlib', 'scipy', 'SimpleITK'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
