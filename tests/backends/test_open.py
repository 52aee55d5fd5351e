"""``open_model``: every way to name a model, the objects that are one, and refusals; devices and types of numbers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.embedded.family import embedded
from saccade.backends.hosted import HostedBackend
from saccade.backends.open import open_model
from saccade.backends.store import load, save_pretrained
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask
from tests.backends.hosted.families import made
from tests.backends.hosted.test_loading import saved
from tests.parts import picture

JOB = Job("a", picture(50, 34), Ask(question="What is it?", max_tokens=3))
API_ONLY = """
import sys
for name in ("torch", "transformers", "huggingface_hub", "safetensors", "matplotlib", "jaxtyping", "tokenizers"):
    sys.modules[name] = None
from saccade import open_model
from saccade.core.errors import SaccadeError
from saccade.policies.scheduler import Scheduler
from saccade.policies.catalogue import policy
print(open_model("http://localhost:1/v1#some", name="mine").name)
for name in ("llava", "owner/name", 3, None, (1, 2), print):
    try:
        open_model(name)
    except SaccadeError as error:
        print(error)
"""


class Third(Backend):
    """The least that a third party writes."""

    name = "third"  # type: ignore[assignment]
    caps = Cap.GENERATE  # type: ignore[assignment]

    def run(self, jobs: list[Job]) -> list[JobResult]:
        raise AssertionError(jobs)


def test_a_server_needs_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", API_ONLY], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "mine"
    assert all("needs torch: pip install 'saccade[run]'" in line or "needs transformers" in line for line in lines[1:3])
    assert all(line.startswith("a model is an embedded reader's name") for line in lines[3:])
    assert len(lines) == 7


def test_objects() -> None:
    third = Third()
    assert open_model(third) is third
    with pytest.raises(SaccadeError, match="third is open and keeps its name"):
        open_model(third, name="other")
    reader = embedded("pool-4")
    mine = open_model(reader, name="mine")
    assert isinstance(mine, ComposedBackend)
    assert mine.reader is reader
    assert mine.name == "mine"
    model, processor = made("llava")
    host = open_model((model, processor))
    assert isinstance(host, HostedBackend)
    assert host.name == "LlavaForConditionalGeneration"
    with pytest.raises(SaccadeError, match="give it with its processor"):
        open_model(model)
    with pytest.raises(SaccadeError, match=r"is a object without tokenizer, image_processor, image_token"):
        open_model((model, object()))
    with pytest.raises(SaccadeError, match="has no image_token_id"):
        open_model((model.model.language_model, processor))
    with pytest.raises(SaccadeError, match="a Linear answers no questions"):
        open_model(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(("model", "told"), [
    (3, r"got 3 \(int\)"), (None, "got None"), (("a", "b"), "a model is"), (b"llava", "a model is"),
    ("", "got an empty name"), ("lava", "did you mean llava"), ("a/b/c", "there is no folder a/b/c"),
    (Path("llava"), "did you mean llava"), ("./none", "unknown model|no folder"),
])  # fmt: skip
def test_nothing_else_is_opened(model: object, told: str) -> None:
    with pytest.raises(SaccadeError, match=told):
        open_model(model)


def test_revisions_are_for_the_hub(tmp_path: Path) -> None:
    for model in ("llava", "http://localhost:1/v1", tmp_path, str(tmp_path), embedded("pool-4")):
        with pytest.raises(SaccadeError, match="is for Hub ids"):
            open_model(model, revision="main")
    (tmp_path / "file.bin").touch()
    with pytest.raises(SaccadeError, match="name the folder that it lies in"):
        open_model(tmp_path / "file.bin")


@pytest.mark.parametrize(("device", "dtype", "told"), [
    ("gpu", "auto", r"unknown device 'gpu'"), ("cuda:x", "auto", "unknown device"), ("cpu:1", "auto", "unknown device"),
    ("auto", "float23", "did you mean float32"), ("auto", "int8", "unknown dtype"),
])  # fmt: skip
@pytest.mark.parametrize("model", ["llava", "http://localhost:1/v1"])
def test_unknown_devices_and_types_are_refused_at_every_door(model: str, device: str, dtype: str, told: str) -> None:
    with pytest.raises(SaccadeError, match=told):
        open_model(model, device=device, dtype=dtype)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there_is_one_line(device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    saved("llava", tmp_path)
    for model in ("llava", embedded("llava"), tmp_path, made("llava")):
        with pytest.raises(SaccadeError, match=rf"^device {device}: torch \S+ finds no [a-z]+ here; take cpu or auto$"):
            open_model(model, device=device)


def test_which_device_auto_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from saccade.backends.devices import device_of

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_of("auto") == torch.device("cuda")
    assert device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SaccadeError, match="has 2 of cuda, the last is cuda:1"):
        device_of("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")


def test_auto_is_the_type_that_was_saved(tmp_path: Path) -> None:
    reader = embedded("pool-4").bfloat16()
    save_pretrained(reader, tmp_path / "mine")
    found = load(tmp_path / "mine")
    assert {tensor.dtype for tensor in found.parameters()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in load(tmp_path / "mine", dtype="float32").parameters()} == {torch.float32}
    angles = dict(found.named_buffers())
    assert angles
    assert all(tensor.dtype == torch.float32 for name, tensor in angles.items() if "inv_freq" in name)


def test_a_hosted_checkpoint_too(tmp_path: Path) -> None:
    saved("gemma3", tmp_path)
    host = open_model(tmp_path, dtype="bfloat16")
    assert isinstance(host, HostedBackend)
    assert host.model.dtype == torch.bfloat16
    host.model.save_pretrained(tmp_path)
    again = open_model(tmp_path)
    assert isinstance(again, HostedBackend)
    assert again.model.dtype == torch.bfloat16
    assert len(again.run([JOB])) == 1


def test_objects_are_moved_where_told() -> None:
    reader = embedded("pool-4")
    open_model(reader)
    assert next(reader.parameters()).dtype == torch.float32
    found = open_model(reader, dtype="bfloat16")
    assert isinstance(found, ComposedBackend)
    assert found.reader is reader
    assert next(reader.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", [
    "llava", "llava-uhd", "flamingo", "blip2", "perceiver-16", "llava-uhd-v2", "deepseek-16", "foveated",
    "object-centric", "idefics",
])  # fmt: skip
def test_half_precision_is_near_single(name: str, dtype: str) -> None:
    single, half = open_model(name), open_model(name, dtype=dtype)
    assert isinstance(single, ComposedBackend)
    assert isinstance(half, ComposedBackend)
    assert half.dtype == dtype
    prompt = single.reader.text("What kind of picture is this?")
    one, other = (found.reader.logits([picture(90, 60)], prompt) for found in (single, half))
    assert other.dtype == torch.float32
    off = (one - other).abs().max() / (1 + one.abs().max())
    assert off < (0.05 if dtype == "bfloat16" else 0.01)
    assert len(half.run([JOB])) == 1
