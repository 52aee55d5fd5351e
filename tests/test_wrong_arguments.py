"""Wrong-typed and wrong-valued arguments of every public function: nothing but SaccadeError comes out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("wrong_arguments.py")


@pytest.mark.parametrize("which", ["plain", "torch"])
def test_nothing_but_saccade_errors_comes_out(tmp_path: Path, which: str):
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "ignore", str(PROBE), which, "4"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]
