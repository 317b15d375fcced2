"""`predict.py`: modules joined into one file that needs nothing of this project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.counting import repeated
from nnunet_dsd.common.errors import ShapeError

OWN = ("nnunet_dsd", "video_triplet")  # packages whose modules are joined, so that importing from them is left out
FUTURE = "from __future__ import annotations"


@dataclass(frozen=True)
class _Module:
    """A module's source, and the statements at its top but for its docstring and its imports."""

    tree: ast.Module
    lines: list[str]
    statements: list[ast.stmt]


def single_file(head: str, files: Sequence[Path]) -> str:
    """Return the source of one file that does what the last of several modules does.

    Of the others it holds what the last one needs, directly or not.

    Args:
        head: Its docstring, as source.
        files: The modules, in an order in which each uses only what came before it.

    Raises:
        ShapeError: if two modules define one name, or one uses what none of them defines.
    """
    modules = [_read(path) for path in files]
    kept = _needed(modules)
    used = {name for statement in kept for name in _used(statement)}
    imports = {line for module in modules for line, name in _imports(module) if name in used}
    defined = [name for statement in kept for name in _defined(statement)]
    if twice := repeated([*defined, *(line.split()[-1] for line in sorted(imports))]):
        raise ShapeError(f"modules of the runtime define the same names, of which one would hide another: {twice}")
    if missing := sorted({name for module in modules for name in _own_imports(module)} & used - set(defined)):
        raise ShapeError(f"no module of the runtime defines {missing}; join the modules that do")
    order = sorted(imports, key=lambda line: (line.startswith("from"), line))
    bodies = [text for module in modules if (text := _text(module, kept))]
    return f"{head}\n" + "\n".join([FUTURE, "", *order]) + "\n\n" + "\n\n\n".join(bodies) + "\n"


def _read(path: Path) -> _Module:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    statements = [node for node in tree.body[1:] if not isinstance(node, ast.Import | ast.ImportFrom)]
    return _Module(tree, source.splitlines(), statements)


def _needed(modules: Sequence[_Module]) -> set[ast.stmt]:
    """Return the statements of the last module, and those that define what a returned one uses."""
    makers: dict[str, list[ast.stmt]] = {}
    for module in modules:
        for statement in module.statements:
            for name in _defined(statement):
                makers.setdefault(name, []).append(statement)
    waiting, kept = list(modules[-1].statements), set[ast.stmt]()
    while waiting:
        statement = waiting.pop()
        if statement not in kept:
            kept.add(statement)
            waiting += [maker for name in _used(statement) for maker in makers.get(name, ())]
    return kept


def _text(module: _Module, kept: Iterable[ast.stmt]) -> str:
    """Return the kept statements of a module under its docstring's first line; nothing where none is kept."""
    left = [statement for statement in module.statements if statement in kept]
    if not left:
        return ""
    dropped: set[int] = set()
    previous = 0
    for node in module.tree.body:
        end = node.end_lineno or node.lineno
        if node not in left:  # with the comments above it
            dropped |= set(range(previous + 1, end + 1))
        previous = end
    text = "\n".join(line for number, line in enumerate(module.lines, start=1) if number not in dropped)
    title = (ast.get_docstring(module.tree) or "").splitlines()[0]
    return f"# {title}\n\n\n" + re.sub(r"\n{4,}", "\n\n\n", text.strip("\n"))


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement at a module's top defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _imports(module: _Module) -> list[tuple[str, str]]:
    """Return the imports at a module's top from elsewhere, a line for each name, with the name that it binds."""
    found = []
    for node in module.tree.body:
        if isinstance(node, ast.Import):
            found += [(ast.unparse(ast.Import([alias])), (alias.asname or alias.name)) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not _is_own(node):
            lines = [(ast.unparse(ast.ImportFrom(node.module, [alias], 0)), alias) for alias in node.names]
            found += [(line, alias.asname or alias.name) for line, alias in lines]
    return [(line, name.split(".")[0]) for line, name in found if line != FUTURE]


def _own_imports(module: _Module) -> list[str]:
    """Return the names that a module imports from modules that are joined, or should be."""
    nodes = [node for node in module.tree.body if isinstance(node, ast.ImportFrom) and _is_own(node)]
    return [alias.name for node in nodes for alias in node.names]


def _is_own(node: ast.ImportFrom) -> bool:
    return (node.module or "").split(".")[0] in OWN
