"""``saccade[api]`` alone is enough to ask a model behind a server: what ``saccade[run]`` brings is away."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.backends.endpoint.fake import Fake, running

AWAY = ("torch", "transformers", "safetensors", "matplotlib", "huggingface_hub", "tokenizers", "jaxtyping")
CODE = f"""
import sys

class Away:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {AWAY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Away())
from saccade.cli.main import main
main()
"""


@pytest.fixture
def server() -> Iterator[Fake]:
    with running() as made:
        yield made


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def saccade(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("policy", ["once", "ladder", "zoom-tree", "scales"])
def test_a_server_is_asked_without_torch(server: Fake, photo: Path, policy: str) -> None:
    done = saccade("ask", photo, "What color?", "--model", server.url, "--policy", policy, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["answer"] == "red"
    assert server.seen


def test_the_looks_are_drawn_without_matplotlib(server: Fake, photo: Path) -> None:
    done = saccade("ask", photo, "What color?", "--model", f"{server.url}#tiny", "--show", photo.with_suffix(".png"))
    assert (done.returncode, done.stderr) == (0, "")
    assert photo.with_suffix(".png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "photo.jpg", "What?"), "saccade: a model that runs here needs "),
        (("compare",), "saccade: a model that runs here needs "),
        (("train", "embedded"), "saccade: saccade train needs "),
    ],
)
def test_what_needs_torch_says_what_to_install(
    photo: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(photo.parent)
    done = saccade(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.endswith("pip install 'saccade[run]'\n")
    assert len(done.stderr.splitlines()) == 1
