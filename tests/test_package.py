import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import saccade
from saccade import models


def test_the_version_is_that_of_the_project():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert saccade.__version__ == project["version"]


def test_names_are_fetched_on_first_use():
    assert {"build", "load", "from_pretrained", "save_pretrained"} <= set(dir(saccade))
    assert saccade.build is models.build
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        _ = saccade.biuld
    with pytest.raises(AttributeError, match="no attribute 'Raeder'"):
        _ = models.Raeder


def test_the_catalogue_needs_no_torch():
    code = "import sys, saccade.models as m; m.READERS['llava'].presets['1.5-7b'](); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
