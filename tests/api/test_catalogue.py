import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

from saccade.api import catalogue
from saccade.architectures import ARCHITECTURES, COMPOSITIONS, FAMILIES, LOADERS, PRESETS
from saccade.backends.embedded.manifest import cards
from saccade.core.errors import SaccadeError
from saccade.core.registry.plugins import Plugin

NO_TORCH = """
import sys
for name in ("torch", "transformers", "huggingface_hub", "safetensors"):
    sys.modules[name] = None
from saccade.api import catalogue
print(len(catalogue.known()))
"""


def test_everything_with_a_name_is_listed_with_its_mark():
    known = catalogue.known()
    assert {line.name for line in known} >= {*PRESETS, *COMPOSITIONS, *cards()}
    assert {line.fidelity for line in known} <= {"exact", "faithful", "survey"}
    assert all(line.stages and line.source and line.runs for line in known)
    assert {line.kind for line in known} <= {*catalogue.CATEGORIES}
    record = catalogue.record()
    assert record["schema"] == "saccade.models/2"
    assert len(record["models"]) == len(known)


def test_listing_needs_no_torch():
    done = subprocess.run([sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(catalogue.known())


def test_every_loader_is_there_and_takes_the_types_that_it_names():
    from saccade.architectures.deepseek_ocr.checkpoint import KINDS
    from saccade.architectures.llava_uhd.checkpoint import LANGUAGES

    loaders = [loader for one in ARCHITECTURES.values() for loader in one.loaders]
    for loader in loaders:
        module, _, name = loader.function.partition(":")
        assert callable(getattr(import_module(module), name))
        assert loader.types or loader.pieces
    assert set(LOADERS) == {kind for loader in loaders for kind in loader.types} >= {*KINDS, *LANGUAGES}


def test_what_is_hosted_is_what_the_library_runs():
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as THEIRS

    found = {family: catalogue.opened(family)[0] for family in FAMILIES}
    assert {family for family, opens in found.items() if opens in ("hosted", "answers")} == {
        family for family in FAMILIES if family in THEIRS and found[family] != "composes"
    }
    mechanisms = ("resizing", "token selection", "shared prefix", "attention", "cached values")
    assert catalogue.opened("qwen3_vl")[1] == mechanisms
    assert catalogue.opened("longvu") == ("plan", (), "plan")
    assert "lavis-blip2 in saccade.json" in catalogue.opened("blip-2")[2]


def test_how_far_the_published_models_go():
    opens = [line.opens for line in catalogue.known(kind="published")]
    assert len(opens) == len(PRESETS)
    assert {name: opens.count(name) for name in set(opens)} == {"composes": 11, "hosted": 7, "answers": 4, "plan": 8}


def test_search_and_kind():
    names = [line.name for line in catalogue.known("GEMMA selection")]
    assert names == ["gemma-3-4b"]
    assert {line.name for line in catalogue.known(kind="embedded")} == set(cards())
    assert [line.name for line in catalogue.known("llava-uhd", "reader")] == [
        name for name in COMPOSITIONS if name.startswith("llava-uhd")
    ]
    assert catalogue.known("no such words") == []
    with pytest.raises(SaccadeError, match="unknown kind of model 'embeded'; did you mean embedded"):
        catalogue.known(kind="embeded")


def test_plug_ins_are_listed_without_being_imported(monkeypatch):
    found = Plugin("saccade.models", "toy/one", "toy", "1.0", "no_such_module:one")
    monkeypatch.setattr(catalogue, "plugins", lambda group: {"toy/one": found} if group == "saccade.models" else {})
    (line,) = catalogue.known(kind="plug-in")
    assert (line.name, line.form, line.source) == ("toy/one", "model", "toy")


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(catalogue, "find_spec", lambda _: None)
    assert catalogue.opened("gemma3")[2].startswith("plan; hosted, with saccade[run]: answers")
    monkeypatch.setattr(catalogue, "find_spec", lambda _: SimpleNamespace())
    assert catalogue.opened("gemma3")[2].startswith("plan; hosted: answers")
