"""A new architecture is one folder and one line: it is planned, set and listed with no other edit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import saccade

INIT = '''
"""Toy: one stretched view, every patch through one matrix."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.settings.lines import FIXED, Advice, Serve, serves
from saccade.architectures.toy.spec import TOY

ARCHITECTURES = (
    Architecture(name="toy", family=TOY, advice=Advice(transformers=FIXED, vllm=serves(Serve())), presets=("toy-1b",)),
)
'''
SPEC = '''
"""Toy: one stretched view, every patch through one matrix."""

from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.hf_config import vision
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.planner.system import Checkpoint, Family


def toy(made: Checkpoint) -> PathSpec:
    """The path of one checkpoint."""
    tower = vision.clip(made.config.sub("vision_config"), keep_class=False)
    spoken = language(made.config.sub("text_config"), "llama")
    return PathSpec(
        views=StretchSpec(size=sized(made.processor)),
        tower=tower,
        connector=LinearSpec(width_in=tower.width, width_out=spoken.width),
        sequence=PlainSequence(),
        language=spoken,
    )


TOY = Family(
    build=toy,
    kind="reader",
    summary="a toy",
    stages="stretch → ViT → matrix → Llama",
    fidelity="survey",
    source="this test",
)
'''
CONFIG = {
    "model_type": "toy",
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    },
    "text_config": {
        "model_type": "llama", "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 512,
    },
}  # fmt: skip
PROCESSOR = {"size": {"height": 56, "width": 56}}
PRESET = {
    "name": "toy-1b", "family": "toy", "checkpoint": "me/toy-1b", "config": CONFIG, "processor": PROCESSOR,
    "provenance": {"config": "code", "processor": "code"}, "sources": {"code": "this test"},
}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of saccade with one folder and one line more."""
    root = tmp_path_factory.mktemp("source")
    copy = root / "saccade"
    shutil.copytree(Path(saccade.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    added = copy / "architectures" / "toy"
    (added / "presets").mkdir(parents=True)
    (added / "__init__.py").write_text(INIT, encoding="utf-8")
    (added / "spec.py").write_text(SPEC, encoding="utf-8")
    (added / "presets" / "toy-1b.json").write_text(json.dumps(PRESET), encoding="utf-8")
    known = copy / "architectures" / "__init__.py"
    text = known.read_text(encoding="utf-8")
    known.write_text(text.replace('    "object_centric",\n', '    "object_centric",\n    "toy",\n'), encoding="utf-8")
    return root


def run(package: Path, *arguments: object) -> str:
    command = [sys.executable, "-m", "saccade", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(package)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_preset_is_planned(package: Path):
    (model,) = json.loads(run(package, "plan", "--models", "toy-1b", "--size", "80x60", "--json"))["models"]
    (plan,) = model["plans"]
    assert plan["visual_tokens"] == 16
    assert plan["flops"]["connector"] == 2 * 16 * 32 * 48


def test_a_folder_of_its_type_is_planned_and_fitted(package: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR), encoding="utf-8")
    told = run(package, "plan", "--models", tmp_path, "--size", "80x60", "--context", 512)
    assert f"vllm serve {tmp_path}" in told


def test_it_is_listed(package: Path):
    (line,) = json.loads(run(package, "models", "--search", "toy", "--kind", "published", "--json"))["models"]
    assert (line["name"], line["opens"], line["source"]) == ("toy-1b", "plan", "this test")
