"""No module but those of ``saccade.compat`` reaches what other packages keep to themselves."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import saccade
from saccade.compat.names import NAMES

SOURCE = Path(saccade.__file__).parent
FILES = sorted(file for file in SOURCE.rglob("*.py") if SOURCE / "compat" not in file.parents)
FOREIGN = ("transformers", "huggingface_hub", "tokenizers")
DOCUMENTED = ("huggingface_hub.errors",)
"""Modules below the top level that their documentation tells users to import."""
NAMEDTUPLE = ("_replace", "_asdict", "_fields", "_make")
WORDS = frozenset(name.word for name in NAMES.values()) - {""}


def private(name: str) -> bool:
    """Whether a name has the underscore of what is not public."""
    return name.startswith("_") and not name.startswith("__") and name.isidentifier() and name != "_"


def own(tree: ast.AST) -> set[str]:
    """The private names that a file itself defines, in classes, functions and modules."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def reaches(text: str) -> Iterator[tuple[int, str]]:
    """The line and the name of everything in ``text`` that belongs into ``saccade.compat``."""
    tree = ast.parse(text)
    defined = own(tree) | set(NAMEDTUPLE)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, name) for name in _imported(node))
        elif isinstance(node, ast.Attribute) and not _may(node, defined):
            yield node.lineno, f".{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in WORDS:
            yield node.value.lineno, f"{node.arg}="
        elif isinstance(node, ast.Constant) and node.value in WORDS and id(node) not in documentation:
            yield node.lineno, repr(node.value)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, repr(name)) for name in _asked(node) if private(name) and name not in defined)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Modules below the top level, and private names of other packages."""
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names if one.name.split(".")[0] in FOREIGN and "." in one.name)
        return
    module = node.module or ""
    package = module.split(".")[0]
    if package in FOREIGN and module != package and module not in DOCUMENTED:
        yield module
    if package != "saccade":
        yield from (f"{module}.{one.name}" for one in node.names if private(one.name))


def _may(node: ast.Attribute, defined: Collection[str]) -> bool:
    """Whether code may reach this attribute."""
    name, owner = node.attr, node.value
    if isinstance(owner, ast.Name) and owner.id in FOREIGN and name.islower() and not name.startswith("__"):
        return False
    return name not in WORDS and (not private(name) or name in defined or _is_self(owner))


def _asked(node: ast.Call) -> Iterator[str]:
    """The name that ``getattr`` and its like are called with."""
    if isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr", "setattr"):
        name = node.args[1]
        if isinstance(name, ast.Constant):
            yield str(name.value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_private_names_are_reached_through_compat(file):
    found = list(reaches(file.read_text(encoding="utf-8")))
    assert not found, f"{file}: put these behind saccade.compat, with a contract test each: {found}"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from transformers.cache_utils import DynamicLayer", "transformers.cache_utils"),
        ("from transformers.models.clip.modeling_clip import CLIPMLP", "transformers.models.clip.modeling_clip"),
        ("import transformers.utils", "transformers.utils"),
        (
            "from torch.nn.modules.module import _global_backward_hooks",
            "torch.nn.modules.module._global_backward_hooks",
        ),
        ("x = transformers.utils.logging", ".utils"),
        ("x = model.config._attn_implementation", "._attn_implementation"),
        ("def f(self): return self._attn_implementation", "._attn_implementation"),
        ("x = part._buffers", "._buffers"),
        ("x = getattr(config, '_label_trainable_num_channels')", "'_label_trainable_num_channels'"),
        ("model(past_key_values=cache)", "past_key_values="),
        ("model(**{'mm_encoder_outputs': one})", "'mm_encoder_outputs'"),
        ("x = model.model.get_rope_index(ids)", ".get_rope_index"),
    ],
)
def test_finds(line, name):
    assert name in [found for _, found in reaches(line)]


@pytest.mark.parametrize(
    "text",
    [
        "from huggingface_hub.errors import HFValidationError",
        "import transformers\nx = transformers.__version__, transformers.CLIPVisionModel",
        "class A:\n    def _own(self): return 1\ndef f(a: A): return a._own()",
        "x = urlsplit(y)._replace(query='')",
        '"""Uses past_key_values."""',
        "def f(self): return self._inherited()",
    ],
)
def test_leaves_alone(text):
    assert not list(reaches(text))
