"""The graph of imports, read from the sources without running them."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


def modules(root: Path, package: str) -> dict[str, Path]:
    """The file of every module of the ``package`` that lies under ``root``."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """What of ``files`` each module imports when it or anything in it runs.

    Counted are imports anywhere, in functions too, and texts that name a module in full, in a registry or as the
    argument of ``import_module``; where a package calls ``import_module(f"{__name__}.{…}")``, also texts that name a
    module within it. A package is imported with each of its modules. What is imported for type checkers alone does not
    count, nor what docstrings mention.
    """
    return {name: _imported(name, path, files) for name, path in files.items()}


def reached(edges: Mapping[str, set[str]], roots: set[str]) -> set[str]:
    """``roots`` and everything that they import, directly or not."""
    found, waiting = set[str](), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges.get(name, ())
    return found


def _imported(name: str, path: Path, files: Mapping[str, Path]) -> set[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    nodes = list(_walk(ast.parse(path.read_text(encoding="utf-8"))))
    prefixes = ["", f"{package}."] if any(map(_by_own_name, nodes)) else [""]
    found: set[str] = set()
    for node in nodes:
        for target in _targets(node, package, prefixes):
            found |= _with_packages(target, files)
    return found - {name}


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _walk(other)
        else:
            yield from _walk(child)


def _by_own_name(node: ast.AST) -> bool:
    """Whether it is ``import_module(f"{__name__}.…")``."""
    if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args):
        return False
    return ast.unparse(node.args[0]).startswith(("f'{__name__}.", 'f"{__name__}.'))


def _targets(node: ast.AST, package: str, prefixes: list[str]) -> Iterator[str]:
    """Names that may be modules; texts behind each of the ``prefixes``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (prefix + node.value.partition(":")[0] for prefix in prefixes)


def _with_packages(target: str, files: Mapping[str, Path]) -> set[str]:
    if target not in files:
        return set()
    parts = target.split(".")
    return {name for count in range(1, len(parts) + 1) if (name := ".".join(parts[:count])) in files}
