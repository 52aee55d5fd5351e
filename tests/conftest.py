"""What every test runs under: no network, one thread, fixed seeds."""

import os
import random
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

# Before anything imports torch or transformers, which read them once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# The models are tiny: a second thread costs more than it gives, and one thread adds in one order.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Every annotation is checked while tests run, shapes included; users pay nothing. As type checkers read PEP 484, a
# whole number will do where a float is asked for. The option of jaxtyping for pytest takes one package alone.
install_import_hook(["saccade", "research"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# Servers that run for a whole session, whichever tests ask for them.
pytest_plugins = ["tests.servers"]

# The same examples on every run, and no clock: a busy machine is no failure.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


ORACLES = re.compile(r"^\s*(?:from|import) (?:transformers|sklearn|skimage)\b", re.MULTILINE)
"""A test file that imports a reference implementation compares with it."""
SLOW = ("exact", "outside", "research", "training", "cli/test_curve.py", "cli/test_main.py", "api/test_asking.py")
"""Folders and files, under ``tests/``, of tests that take more than a few seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and file: see the markers in ``pyproject.toml``."""
    here = Path(__file__).parent
    for path, group in groupby(items, key=lambda item: item.path):
        name = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
        oracle = name.startswith("exact/") or ORACLES.search(path.read_text(encoding="utf-8")) is not None
        slow = any(name == one or name.startswith(f"{one}/") for one in SLOW)
        for item in group:
            for marker, wanted in (("oracle", oracle), ("slow", slow)):
                if wanted:
                    item.add_marker(marker)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Each test starts from the same seeds, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Answers are kept in a folder of the session's own, never in the user's cache; subprocesses inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
