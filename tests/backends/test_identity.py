"""What models that run here know of themselves: weights, device, precision, origin, fingerprint."""

import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.backends.embedded.family import embedded
from saccade.backends.embedded.manifest import cards, shelf
from saccade.backends.local import composed
from saccade.backends.open import open_model
from saccade.backends.store import from_pretrained, load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask
from saccade.core.size import Size
from saccade.runtime.about import About
from saccade.weights.files import shapes
from tests.backends.hosted.families import made
from tests.backends.hosted.test_loading import saved


def test_weights_are_counted_as_they_are_held(tmp_path: Path) -> None:
    model = open_model("pool-4")
    stored = [shelf() / part for part in cards()["pool-4"].parts.values()]
    assert model.weights is not None
    tied = 448 * 128  # the table of words, which is in the file a second time as the head
    assert model.weights.params == sum(math.prod(one) for file in stored for one in shapes(file).values()) - tied
    assert model.weights.bytes == 4 * model.weights.params
    assert (model.device, model.dtype) == ("cpu", "float32")
    save_pretrained(embedded("pool-4").bfloat16(), tmp_path / "half")
    half = open_model(tmp_path / "half")
    assert half.dtype == "bfloat16"
    assert half.weights is not None
    assert half.weights.params == model.weights.params
    assert half.weights.bytes == 2 * model.weights.params


def test_plans_follow_the_type_of_numbers() -> None:
    single, half = (open_model("llava", dtype=dtype) for dtype in ("float32", "bfloat16"))
    request = Ask(question="What is it?")
    one, other = (model.price(Size(90, 60), request) for model in (single, half))
    assert one.flops == other.flops
    assert one.bytes is not None
    assert other.bytes is not None
    assert 0.4 * one.bytes < other.bytes < 0.7 * one.bytes


def test_what_is_known_of_a_reader_is_saved_with_it(tmp_path: Path) -> None:
    about = embedded("flamingo").about
    assert about == About("faithful", about.tuned, cards()["flamingo"].trained)
    save_pretrained(embedded("flamingo"), tmp_path / "mine")
    assert load(tmp_path / "mine").about == about  # type: ignore[union-attr]
    assert open_model(tmp_path / "mine").caps == open_model("flamingo").caps
    assert open_model(tmp_path / "mine").provenance == cards()["flamingo"].trained
    file = tmp_path / "mine" / "saccade.json"
    text = file.read_text()
    file.write_text(text.replace('"MULTI_IMAGE"', '"MULTI_IMAGES"'))
    with pytest.raises(
        SaccadeError, match=r"unknown capability in about\.tuned 'MULTI_IMAGES'; did you mean MULTI_IMAGE"
    ):
        from_pretrained(tmp_path / "mine")
    file.write_text(text.replace('"fidelity": "faithful"', '"fidelity": "true"'))
    with pytest.raises(SaccadeError, match="unknown fidelity 'true'"):
        from_pretrained(tmp_path / "mine")
    for about in (3, {}, {"fidelity": "exact"}):
        with pytest.raises(SaccadeError, match="save the reader again"):
            About.read(about)


def test_fingerprints_of_equal_models_are_equal() -> None:
    first = open_model("pool-4").fingerprint
    assert first == open_model("pool-4", name="other").fingerprint
    assert first != open_model("pool-16").fingerprint
    assert first != open_model("pool-4", dtype="bfloat16").fingerprint
    assert first is not None
    assert f"torch={torch.__version__}" in first


def test_fingerprints_of_objects_follow_their_weights() -> None:
    one, other = embedded("pool-4"), embedded("pool-4")
    assert open_model(one).fingerprint == open_model(other).fingerprint
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1
    assert composed("a", one).fingerprint != composed("a", other).fingerprint
    assert open_model(made("llava")).fingerprint != open_model(made("gemma3")).fingerprint
    assert open_model(made("llava")).fingerprint == open_model(made("llava")).fingerprint


def test_fingerprints_of_folders_follow_their_files(tmp_path: Path) -> None:
    saved("llava", tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first = open_model(tmp_path / "one").fingerprint
    assert first == open_model(tmp_path / "two").fingerprint
    weights = tmp_path / "two" / "model.safetensors"
    held = weights.stat()
    os.utime(weights, ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    assert first != open_model(tmp_path / "two").fingerprint
    os.utime(weights, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert first == open_model(tmp_path / "two").fingerprint
    template = tmp_path / "two" / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert first != open_model(tmp_path / "two").fingerprint


def test_a_snapshot_of_the_hub_is_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saccade.backends import local

    snapshot = tmp_path / "models--owner--name" / "snapshots" / "0123abcd"
    saved("llava", snapshot)
    monkeypatch.setattr(local, "fetch", lambda *_: snapshot)
    found = open_model("owner/name", revision="main")
    assert found.name == "owner/name"
    assert str(found.fingerprint).startswith("hub:owner/name@0123abcd cpu float32 ")


def test_a_server_is_its_url_without_what_is_secret() -> None:
    found = open_model("http://user:pass@localhost:9/v1?key=secret#some")
    assert found.fingerprint == "endpoint http://localhost:9/v1 some"
    assert found.provenance == "some at http://localhost:9/v1"
    assert (found.device, found.dtype, found.weights, found.fidelity) == ("unknown", "unknown", None, "hosted")


def test_hosted_models_say_where_they_come_from(tmp_path: Path) -> None:
    saved("gemma3", tmp_path / "mine")
    found = open_model(tmp_path / "mine")
    assert (found.fidelity, found.device, found.dtype) == ("hosted", "cpu", "float32")
    assert found.provenance == "the model of mine as its authors published it"


def test_mixed_types_are_counted(tmp_path: Path) -> None:
    saved("llava", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    first = next(iter(weights))
    save_file(
        {key: value if key == first else value.half() for key, value in weights.items()},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    assert open_model(tmp_path).dtype == "float16"
