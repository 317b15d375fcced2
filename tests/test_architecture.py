"""The house's rules: imports go one way, only the glue imports nnU-Net, and importing the packages is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
EVERYWHERE = {
    "nnunet_dsd",
    "nnunet_dsd.errors",
    "nnunet_dsd.files",
    "nnunet_dsd.declared_settings",
    "nnunet_dsd.report_page",
    "nnunet_dsd.common",
}
# Which parts of nnunet_dsd a part may import besides itself and EVERYWHERE. A part that is new must be named here.
MAY_IMPORT = {
    "common": set(),
    "errors": set(),
    "files": set(),
    "declared_settings": set(),
    "report_page": set(),
    "nnunet_folders": set(),
    "machine": set(),
    "child_processes": set(),
    "printed_tables": set(),
    "training_output": set(),
    "config": set(),
    "encoder_teacher": set(),
    "misplaced_blocks": {"config"},
    "registry": set(),
    "distillation": {"config"},
    "presets": set(),
    "networks": {"distillation", "config"},
    "plans": {"networks", "config", "misplaced_blocks", "nnunet_folders", "presets"},
    "trainers": {"networks", "distillation", "config", "encoder_teacher", "misplaced_blocks", "registry"},
    "plugin": {"registry"},
    "datasets": {"nnunet_folders", "machine"},
    "evaluation": {"datasets", "machine"},
    "comparison": {"evaluation"},
    "ablation": {
        "config",
        "plans",
        "presets",
        "registry",
        "nnunet_folders",
        "machine",
        "child_processes",
        "training_output",
        "printed_tables",
        "datasets",
        "evaluation",
        "comparison",
    },
    "attribution": {"trainers", "networks", "datasets", "evaluation"},
    "demo": {
        "datasets",
        "evaluation",
        "registry",
        "printed_tables",
        "child_processes",
        "encoder_teacher",
        "training_output",
    },
    "__init__": set(),
    "__main__": {"cli"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"__main__"}
FOR_VIDEO = ("registry", "machine", "distillation", "printed_tables")
GLUE = {"trainers", "plugin"}
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
            yield from (f"{origin}.{alias.name}" if origin == "nnunet_dsd" else origin for alias in node.names)


def part_of(path):
    """The folder or module of nnunet_dsd that a file belongs to."""
    return path.relative_to(REPOSITORY / "nnunet_dsd").with_suffix("").parts[0]


def ours(modules):
    """The parts of nnunet_dsd among modules, as `nnunet_dsd.part`; names of the package itself count as nnunet_dsd."""
    for module in modules:
        names = module.split(".")
        if names[0] == "nnunet_dsd":
            yield f"nnunet_dsd.{names[1]}" if len(names) > 1 and names[1] in MAY_IMPORT else "nnunet_dsd"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_imports_go_one_way(path):
    if path.is_relative_to(REPOSITORY / "video_triplet"):
        allowed = EVERYWHERE | {f"nnunet_dsd.{name}" for name in FOR_VIDEO}
    else:
        part = part_of(path)
        assert part in MAY_IMPORT, f"{part} is new: say in MAY_IMPORT what it may import"
        allowed = EVERYWHERE | {f"nnunet_dsd.{name}" for name in (MAY_IMPORT[part] | {part})}
        assert "video_triplet" not in {module.split(".")[0] for module in imported_modules(path)}
    assert set(ours(imported_modules(path))) <= allowed


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
        "nnunet_dsd.config",
        "nnunet_dsd.common.command_line",
        "nnunet_dsd.trainers.catalog",
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
