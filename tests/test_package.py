import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest

import saccade
import saccade_embedded
from saccade.backends import random_init
from saccade.backends.embedded.manifest import VERSION


def test_the_version_is_that_of_the_project():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert saccade.__version__ == project["version"]


def test_names_are_fetched_on_first_use():
    assert {"build", "load", "from_pretrained", "save_pretrained"} <= set(dir(saccade))
    assert saccade.build is random_init.build
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        _ = saccade.biuld


def test_the_catalogue_needs_no_torch():
    code = (
        "import sys, saccade.architectures as m; "
        "m.COMPOSITIONS['llava'].presets['1.5-7b'](); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_two_packages_fit_and_the_main_one_is_small():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    data = tomllib.loads(Path("packages/embedded/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert data["version"] == saccade_embedded.__version__
    assert data["version"].startswith(f"{VERSION}.")
    assert f"{data['name']}=={VERSION}.*" in project["optional-dependencies"]["run"]
    assert not any("embedded" in line for line in project["dependencies"])
    packed = sum(
        len(zlib.compress(file.read_bytes()))
        for file in Path("src/saccade").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    )
    assert packed < 2e6
