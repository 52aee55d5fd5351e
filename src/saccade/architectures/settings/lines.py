"""Lines to paste: what a target is told, written as Python, as a ``vllm serve`` line, or as an lmms-eval line."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from saccade.specs.laws.path import PathSpec
from saccade.specs.planner.system import ModelSpec, Value

AUTHORS = "the authors' code: transformers 5.23 has no class of its own"
CONVERTED = "for a checkpoint in transformers' own format"
REMOTE = ("--trust-remote-code",)

Known = Mapping[str, object]
"""Settings by the names that a target knows them by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingsRequest:
    """What is to be set: a system and its path under the options that the user gave."""

    system: ModelSpec
    options: Mapping[str, Value]
    path: PathSpec
    context: int | None = None
    pictures: int = 1
    video: bool = False

    @property
    def checkpoint(self) -> str:
        """Where the weights are."""
        return self.system.checkpoint or self.system.name

    def named(self, names: Mapping[str, str]) -> dict[str, object]:
        """The options that were given, under a target's ``names`` for them."""
        return {theirs: self.options[ours] for ours, theirs in names.items() if ours in self.options}


@dataclass(frozen=True, kw_only=True, slots=True)
class Serve:
    """``vllm serve``: what its ``processor`` is told and how videos become ``frames``.

    ``limit`` says how many of what a prompt may hold: as many pictures (or videos) as asked, unless given here; empty,
    it is left to vLLM. ``most`` is a limit of vLLM's own.
    """

    processor: Known = field(default_factory=dict)
    frames: Known = field(default_factory=dict)
    limit: Mapping[str, int] | None = None
    most: int | None = None
    flags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluate:
    """An ``adapter`` of lmms-eval and its arguments."""

    adapter: str
    given: Known = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """How one family is set. A text says why there is nothing to set; ``lmms_eval`` None: by way of vLLM."""

    transformers: Callable[[SettingsRequest], str]
    vllm: Callable[[SettingsRequest], Serve | str]
    lmms_eval: Callable[[SettingsRequest], Evaluate | str] | None = None


def says(text: str) -> Callable[[SettingsRequest], str]:
    """The same sentence, whatever is asked. ``{name}`` stands for the model."""
    return lambda asked: text.format(name=asked.system.name)


def serves(serve: Serve) -> Callable[[SettingsRequest], Serve]:
    """The same server, whatever is asked."""
    return lambda asked: serve


def evaluates(adapter: str) -> Callable[[SettingsRequest], Evaluate]:
    """An adapter that has nothing to set."""
    return lambda asked: Evaluate(adapter=adapter)


def loaded(asked: SettingsRequest, given: Known, note: str = "") -> str:
    """A processor made with other settings."""
    words = [_python(asked.checkpoint), *(f"{name}={_python(value)}" for name, value in given.items())]
    return f"processor = AutoProcessor.from_pretrained({', '.join(words)}){_noted(note)}"


def foreign(asked: SettingsRequest, owner: str) -> str:
    """Why vLLM cannot read this checkpoint, where it reads only the format of ``owner``'s; empty where it can."""
    if asked.checkpoint.startswith(f"{owner}/"):
        return ""
    return (
        f"vLLM reads this family in the format of {owner} alone; serve their checkpoint instead of {asked.system.name}"
    )


def assigned(asked: SettingsRequest, part: str, given: Known) -> str:
    """A processor whose ``part`` is told afterwards, so that its other parts keep their own settings."""
    told = [f"processor.{part}.{name} = {_python(value)}" for name, value in given.items()]
    return "; ".join([loaded(asked, {}), *told])


def served(asked: SettingsRequest, serve: Serve | str) -> str:
    """The line that starts vLLM."""
    if isinstance(serve, str):
        return serve
    if crowded := _crowded(asked, serve):
        return crowded
    words = ["vllm", "serve", shlex.quote(asked.checkpoint), *serve.flags]
    if asked.context is not None:
        words += ["--max-model-len", str(asked.context)]
    if limit := _limit(asked, serve):
        words += ["--limit-mm-per-prompt", _shell(limit)]
    if serve.processor:
        words += ["--mm-processor-kwargs", _shell(serve.processor)]
    if serve.frames:
        words += ["--media-io-kwargs", _shell({"video": serve.frames})]
    return " ".join(words) + _noted(serve.note)


def evaluated(asked: SettingsRequest, evaluate: Evaluate | str) -> str:
    """The line that starts lmms-eval."""
    if isinstance(evaluate, str):
        return evaluate
    place = "model" if evaluate.adapter == "vllm" else "pretrained"
    given = {place: asked.checkpoint, **evaluate.given}
    words = ",".join(f"{name}={_plain(value)}" for name, value in given.items())
    task = "videomme" if asked.video else "docvqa_val"
    line = f"python -m lmms_eval --model {evaluate.adapter} --model_args {shlex.quote(words)} --tasks {task}"
    return f"{line} --batch_size 1{_noted(evaluate.note)}"


def through_vllm(asked: SettingsRequest, serve: Serve | str) -> Evaluate | str:
    """lmms-eval on top of vLLM, for families that it has no adapter for."""
    lacking = f"lmms-eval has no adapter for {asked.system.name}"
    if isinstance(serve, str):
        return f"{lacking} but vLLM's; there: {serve}"
    if crowded := _crowded(asked, serve):
        return f"{lacking} but vLLM's; there: {crowded}"
    if asked.video:
        return f"{lacking} but vLLM's, which hands a video over as separate pictures; save its frames as pictures"
    given: dict[str, object] = {"mm_processor_kwargs": serve.processor} if serve.processor else {}
    given["limit_mm_per_prompt"] = _limit(asked, serve)
    if asked.context is not None:
        given["max_model_len"] = asked.context
    return Evaluate(adapter="vllm", given=given)


def _crowded(asked: SettingsRequest, serve: Serve) -> str:
    if serve.most is None or asked.pictures <= serve.most:
        return ""
    return (
        f"vLLM takes {serve.most} picture a prompt for {asked.system.name}, not {asked.pictures}; "
        "ask about one after the other"
    )


def _limit(asked: SettingsRequest, serve: Serve) -> Mapping[str, int]:
    if serve.limit is not None:
        return serve.limit
    return {"image": 0, "video": asked.pictures} if asked.video else {"image": asked.pictures}


def _noted(note: str) -> str:
    return f"  # {note}" if note else ""


def _shell(value: object) -> str:
    return shlex.quote(json.dumps(value))


def _plain(value: object) -> str:
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def _python(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(name)}: {_python(held)}" for name, held in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


FIXED = says("transformers has nothing to set: the number of tokens of {name} is the same for every picture")
CLASSLESS = says("transformers 5.23 has no class for {name}, and its number of tokens is the same for every picture")
UNSERVED = says("vLLM does not support {name}")
UNEVALUATED = says("lmms-eval has no adapter for {name}")
WORDLESS = says("lmms-eval judges written answers, and {name} writes none")
ALONE = serves(Serve(most=1))
POOLING = serves(Serve(flags=("--runner", "pooling")))
