"""`predict.py`: the runtime's modules joined into one file that needs nothing of this package."""

from __future__ import annotations

import ast
from pathlib import Path

from nnunet_dsd.common.counting import repeated
from nnunet_dsd.common.errors import ShapeError

# In the order in which each uses only what came before it.
MODULES = (
    "description",
    "resampling",
    "images",
    "preparing",
    "windows",
    "labels",
    "engines",
    "predictor",
    "command",
)
RUNTIME = Path(__file__).parent / "runtime"
HEAD = '''"""Predict with the model in this folder: python predict.py -i IMAGES -o LABEL_MAPS

From Python: Predictor("FOLDER")(array, spacing). Needs what requirements.txt names, and neither PyTorch nor nnU-Net.
Written by nnunet-dsd {version}, under its licence (Apache 2.0).
"""
'''


def single_file(version: str) -> str:
    """Return the source of `predict.py`.

    Args:
        version: Of this package.

    Raises:
        ShapeError: if two modules define one name.
    """
    imports: set[str] = set()
    bodies = []
    defined: list[str] = []
    for name in MODULES:
        source = (RUNTIME / f"{name}.py").read_text(encoding="utf-8")
        lines, tree = source.splitlines(), ast.parse(source)
        dropped = set(range(1, (tree.body[0].end_lineno or 1) + 1))  # the module's docstring becomes a comment
        for node in tree.body[1:]:
            if isinstance(node, ast.Import | ast.ImportFrom):
                dropped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
                imports |= _external(node)
        defined += [name for node in tree.body for name in _defined(node)]
        kept = "\n".join(line for number, line in enumerate(lines, start=1) if number not in dropped).strip("\n")
        bodies.append(f"# {ast.get_docstring(tree).splitlines()[0]}\n\n\n{kept}")  # type: ignore[union-attr]
    if twice := repeated(defined):
        raise ShapeError(f"modules of the runtime define the same names, of which one would hide another: {twice}")
    first = "from __future__ import annotations"
    head = "\n".join([first, "", *sorted(imports - {first}, key=lambda line: (line.startswith("from"), line))])
    return HEAD.format(version=version) + "\n" + head + "\n\n" + "\n\n\n".join(bodies) + "\n"


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement at a module's top defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _external(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return an import of what is not the runtime's own, a line for each name."""
    if isinstance(node, ast.Import):
        return {ast.unparse(ast.Import([alias])) for alias in node.names}
    if (node.module or "").startswith("nnunet_dsd."):
        return set()
    return {ast.unparse(ast.ImportFrom(node.module, [alias], 0)) for alias in node.names}
