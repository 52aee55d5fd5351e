"""Functions out of installed files that cannot be imported here, because they import torchvision."""

import __future__

import ast
import math
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

HOME = Path(transformers.__file__).parent


@cache
def borrow(file: str, name: str) -> Callable[..., Any]:
    """``function`` or ``Class.method`` of ``file`` (below the package's folder), run from its own source.

    It sees the other functions at the top of its file, math, numpy and torch; nothing else. A method is handed back
    as a plain function, so its first argument stands in for the object.
    """
    tree = ast.parse((HOME / file).read_text())
    *owner, wanted = name.split(".")
    scope: dict[str, Any] = {"math": math, "np": np, "torch": torch, "time": time}
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if owner:
        (holder,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner[0]]
        body += [node for node in holder.body if isinstance(node, ast.FunctionDef) and node.name == wanted]
    for node in body:
        node.decorator_list = []
    code = compile(
        ast.Module(body=list(body), type_ignores=[]),
        filename=str(HOME / file),
        mode="exec",
        flags=__future__.annotations.compiler_flag,  # annotations name classes that are not there
        dont_inherit=True,
    )
    exec(code, scope)
    return scope[wanted]


@cache
def constants(file: str, name: str) -> dict[str, Any]:
    """The numbers, texts and dictionaries that class ``name`` of ``file`` sets in its body."""
    tree = ast.parse((HOME / file).read_text())
    (holder,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    found: dict[str, Any] = {}
    for node in holder.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = _worked_out(node.value)
            except ValueError:
                continue  # names of other modules: filters, mean colours
    return found


def _worked_out(node: ast.expr) -> object:
    """A literal, products of numbers included."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _worked_out(node.left) * _worked_out(node.right)
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(key): _worked_out(value) for key, value in zip(node.keys, node.values, strict=True)}
    return ast.literal_eval(node)
