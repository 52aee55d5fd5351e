"""Calls public functions with one wrong argument at a time, and prints what came out that is no SaccadeError.

Run by ``test_wrong_arguments.py`` in a process of its own, without the checks of annotations that tests run under. What
would work for long is replaced, so that a wrong argument that is not refused costs nothing.
"""

import inspect
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import saccade
import saccade.api.comparing as comparing
from saccade.api import catalogue, planning
from saccade.api.png import png_path
from saccade.api.serving import ServerLimits, serving
from saccade.backends.endpoint import Endpoint
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.plan import Setting
from saccade.core.request import Ask, Conversation, ImageRegion, Tool, Turn, Watch, YesNo
from saccade.core.request import ToolCall as ToolCall
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.policies.base import Policy
from saccade.policies.catalogue import TYPES as POLICIES
from saccade.policies.ladder import Ladder, Level
from saccade.policies.single_look import SingleLook
from saccade.specs.planner import fit as inverse


class Stub(Backend):
    """A model that is opened and never asked."""

    name = "stub"  # pyright: ignore[reportAssignmentType]
    caps = Cap.GENERATE  # pyright: ignore[reportAssignmentType]

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        raise SaccadeError("nobody asks the stub")


class Odd:
    """An object that nobody knows."""


EDGES: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", " ", "\0", "no/such", b"x", [], [1]]
EDGES += [[None], {}, {"a": 1}, (), set(), Odd(), len, np.zeros(3), Path("no/such/file"), ...]
WRONG = st.sampled_from(EDGES) | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=3)
Call = tuple[Callable[..., object], dict[str, Any]]


def types() -> dict[str, Call]:
    """The classes that users make, with arguments that they take."""
    return {
        "ImageRegion": (ImageRegion, {"box": Box(0, 0, 8, 8)}),
        "TokenSelection": (TokenSelection, {"rule": "random", "tokens": 4}),
        "TokenSelection of a share": (TokenSelection, {"rule": "uniform", "share": 0.5}),
        "Ask": (Ask, {"question": "What color?"}),
        "YesNo": (YesNo, {"question": "Is it red?"}),
        "Watch": (Watch, {"questions": ("What color?",)}),
        "Conversation": (Conversation, {"turns": (Turn("user", "Hello"),), "tools": (Tool("zoom", "Zoom in", "{}"),)}),
        "Turn": (Turn, {"role": "user", "text": "Hello"}),
        "Tool": (Tool, {"name": "zoom", "description": "Zoom in", "parameters": "{}"}),
        "Call": (ToolCall, {"name": "zoom", "arguments": "{}"}),
        "Box": (Box, {"left": 0, "top": 0, "right": 8, "bottom": 8}),
        "Size": (Size, {"width": 8, "height": 8}),
        "Setting": (Setting, {}),
        "Document": (planning.Document, {"name": "a", "media": (Size(8, 8),)}),
        "ServerLimits of serving": (ServerLimits, {}),
        "ServerLimits of a plan": (inverse.FitLimits, {}),
        "Endpoint": (Endpoint, {"url": "http://localhost:1/v1", "caps": Cap.GENERATE}),
        "Level": (Level, {"policy": SingleLook()}),
        "Ladder": (Ladder, {"levels": (Level(policy=SingleLook()),)}),
        **{name: (kind, {}) for name, kind in POLICIES.items() if issubclass(kind, Policy) and name != "ladder"},
    }


def calls(room: Path) -> dict[str, Call]:
    """Every function with arguments that it takes; those that need torch where it is named."""
    Image.new("RGB", (40, 30), "red").save(room / "a.png")
    (room / "mine.jsonl").write_text('{"image": "a.png", "question": "What color?", "answer": "red"}\n')
    comparing.run_compare = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    comparing.stored = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    stub = Stub()
    document = planning.Document("a picture", (Size(64, 48),))
    return {
        **types(),
        "survey": (planning.survey, {"documents": [document], "models": ["qwen2.5-vl-7b"]}),
        "documents_of": (planning.documents_of, {"paths": [room / "a.png"]}),
        "media_of": (planning.media_of, {"width": 64, "height": 48, "frames": 4, "fps": 2.0}),
        "known": (catalogue.known, {"search": "llava"}),
        "png_path": (png_path, {"target": room / "b.png"}),
        "serving": (serving, {"model": stub}),
        "ask": (saccade.ask, {"image": Image.new("RGB", (40, 30)), "question": "What color?", "model": stub}),
        "compare": (saccade.compare, {"data": str(room / "mine.jsonl"), "models": [stub]}),
        "exam": (saccade.exam, {}),
        "open_model": (saccade.open_model, {"model": stub}),
        "plan": (saccade.plan, {"name": "qwen2.5-vl-7b", "width": 64, "height": 64}),
    }


def torch_calls(room: Path) -> dict[str, Call]:
    """The same for functions that need torch."""
    from saccade.api import training
    from saccade.training import connector as connecting

    def nothing(*_: object, **__: object) -> None:
        return None

    connecting.train_alone = nothing  # pyright: ignore[reportAttributeAccessIssue]
    training.train_family = nothing  # pyright: ignore[reportAttributeAccessIssue]
    reader = saccade.load("llava")
    saccade.save_pretrained(reader, room / "kept")
    return {
        "build": (saccade.build, {"name": "llava"}),
        "from_pretrained": (saccade.from_pretrained, {"folder": room / "kept"}),
        "load": (saccade.load, {"model": "llava"}),
        "save_pretrained": (saccade.save_pretrained, {"model": reader, "folder": room / "saved"}),
        "train": (training.train, {"recipe": "embedded", "out": room / "trained"}),
        "train_connector": (saccade.train_connector, {"connector": reader.spec.connector, "pictures": 1, "steps": 1}),
    }


def escaped(function: Callable[..., object], valid: dict[str, Any], parameter: str, examples: int) -> set[str]:
    """What else than SaccadeError comes out of wrong values for ``parameter``."""
    found: set[str] = set()

    def call(value: object) -> None:
        if parameter == "progress" and callable(value):
            return  # what a function of the user's raises is the user's
        try:
            function(**{**valid, parameter: value})
        except SaccadeError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, it should not have come out)
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            found.add(f"{function.__name__}({parameter}={value!r:.30}): {type(error).__name__} {error!s:.80} ({where})")

    for edge in EDGES:
        call(edge)
    drawn = given(WRONG)(call)
    health = list(HealthCheck)
    settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=health, phases=[Phase.generate]
    )(drawn)()
    return found


def main(which: str, examples: int) -> None:
    """Print one line for each error that escaped."""
    room = Path(tempfile.mkdtemp())
    os.chdir(room)
    for function, valid in (torch_calls(room) if which == "torch" else calls(room)).values():
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                for line in sorted(escaped(function, valid, name, examples)):
                    print(line, flush=True)  # noqa: T201 (what the test reads)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
