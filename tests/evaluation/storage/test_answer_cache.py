"""Answers kept by content: asked once, never mixed up, one clear error for whatever is wrong with the file."""

import inspect
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.core.answer import Answer
from saccade.core.backend import Backend, Description, Job, JobResult
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.request import Ask, ImageRegion, Request, Watch, YesNo
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.evaluation.storage import answer_cache as kept
from saccade.evaluation.storage.answer_cache import NAME, CachingBackend, KeptAnswers, remembered
from tests.policies.fake import Fake, answer, peak

RED, BLUE = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "blue")


@dataclass(eq=False)
class Printed(Fake):
    """A fake model with a fingerprint."""

    print: str | None = "one"

    @property
    def fingerprint(self) -> str | None:
        return self.print


@pytest.fixture
def store(tmp_path: Path) -> KeptAnswers:
    return KeptAnswers(tmp_path / NAME)


def ask(text: str = "What?", **more) -> Ask:
    return Ask(sights=(ImageRegion(),), question=text, **more)


def test_a_job_is_run_once_and_answered_alike_ever_after(store: KeptAnswers) -> None:
    model = Printed(asked=lambda *_: answer("red", 0.7, (("red", 0.7), ("read", 0.1))))
    first = CachingBackend(model, store).run([Job("a", RED, ask())])
    again = CachingBackend(model, store).run([Job("b", RED.copy(), ask(reason="of another policy"))])
    assert model.log == [ask()]
    (one,), (other,) = first, again
    assert one.seconds is not None
    assert (other.observation, other.views, other.visual_tokens, other.tokens, other.seconds) == (
        one.observation,
        one.views,
        one.visual_tokens,
        one.tokens,
        one.seconds,
    )


def test_only_what_is_missing_is_run_and_in_order(store: KeptAnswers) -> None:
    model = Printed(asked=lambda request, _: answer(request.question))
    known = CachingBackend(model, store)
    known.run([Job("a", RED, ask("2"))])
    found = known.run([Job("a", RED, ask(text)) for text in "1234"])
    assert [one.observation.text for one in found if isinstance(one.observation, Answer)] == list("1234")
    assert model.batches == [1, 3]


@pytest.mark.parametrize(
    "job",
    [
        Job("a", RED, ask("Why?")),
        Job("other", BLUE, ask()),
        Job("other", RED.resize((30, 40)), ask()),
        Job("a", RED, ask(max_tokens=9)),
        Job("a", RED, ask(top=0)),
        Job("a", RED, ask(keep=TokenSelection(rule="uniform", tokens=4))),
        Job("a", RED, Ask(sights=(ImageRegion(side=20),), question="What?")),
        Job("a", RED, YesNo(sights=(ImageRegion(),), question="What?")),
    ],
    ids=["question", "picture", "size", "length", "alternatives", "selection", "sight", "kind"],
)
def test_another_question_is_asked(store: KeptAnswers, job: Job) -> None:
    model = Printed()
    known = CachingBackend(model, store)
    known.run([Job("a", RED, ask())])
    known.run([job])
    assert len(model.log) == 2


def test_another_model_is_asked(store: KeptAnswers) -> None:
    one, two = Printed(), Printed(print="two")
    for model in (one, two, one):
        CachingBackend(model, store).run([Job("a", RED, ask())])
    assert (len(one.log), len(two.log)) == (1, 1)


def test_tokens_drawn_at_random_depend_on_the_name_of_the_picture(store: KeptAnswers) -> None:
    drawn = ask(keep=TokenSelection(rule="random", tokens=4))
    model = Printed()
    known = CachingBackend(model, store)
    for key in ("a", "b", "a"):
        known.run([Job(key, RED, drawn)])
    assert len(model.log) == 2


def test_an_edit_of_the_code_asks_anew(store: KeptAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Printed()
    CachingBackend(model, store).run([Job("a", RED, ask())])
    monkeypatch.setattr(kept, "_code", lambda: "edited")
    CachingBackend(model, store).run([Job("a", RED, ask())])
    assert len(model.log) == 2


def test_the_code_is_told_by_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package" / "evaluation"
    package.mkdir(parents=True)
    (package / "kept.py").write_text("x = 1\n")
    (package.parent / "other.py").write_text("y = 1\n")
    monkeypatch.setattr(kept, "__file__", str(package / "kept.py"))
    code: Callable[[], str] = kept._code.__wrapped__
    found = [code(), code()]
    (package.parent / "other.py").write_text("y = 22\n")
    found.append(code())
    os.utime(package / "kept.py", ns=(1, 1))
    found.append(code())
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_another_type_of_numbers_asks_anew(store: KeptAnswers) -> None:
    models = [open_model("pool-4", dtype=dtype) for dtype in ("float32", "bfloat16", "float32")]
    prints = [model.fingerprint for model in models]
    assert prints[0] == prints[2] != prints[1]
    same = open_model(embedded("pool-4"))
    assert same.fingerprint == open_model(embedded("pool-4")).fingerprint


def test_nothing_is_kept_of_a_model_without_a_fingerprint(store: KeptAnswers) -> None:
    model = Printed(print=None)
    assert remembered(model, store) is model
    assert remembered(Printed(), None).__class__ is Printed
    assert isinstance(remembered(Printed(), store), CachingBackend)


def test_all_that_a_model_says_of_itself_comes_through(store: KeptAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``Backend`` gives a default for is passed on too, now and whenever it gains a member."""
    rewritten = {"stream"}  # whose default runs ``run``
    members = {name for name in vars(Backend) if not name.startswith("_")} - rewritten
    assert members <= set(vars(CachingBackend)), members - set(vars(CachingBackend))
    model, size = open_model("llava"), Size(40, 30)
    known = remembered(model, store)
    assert isinstance(known, CachingBackend)
    for name in sorted(members):
        if not callable(getattr(model, name)):
            assert getattr(known, name) == getattr(model, name), name
    assert known.views(size) == model.views(size) != ()
    assert known.price(size, ask()) == model.price(size, ask())
    assert known.counted(size, ask(), 256) == model.counted(size, ask(), 256)
    assert known.bucket(size, ask()) == model.bucket(size, ask())
    assert known.same(size, ask()) == model.same(size, ask())
    assert known.spelt(Answer("x", (40,))) == model.spelt(Answer("x", (40,)))
    closed: list[str] = []
    monkeypatch.setattr(model, "close", lambda: closed.append(model.name))
    known.close()
    assert closed == ["llava"]
    described, own = known.describe(Job("a", RED, ask())), model.describe(Job("a", RED, ask()))
    assert described is not None
    assert own is not None
    assert described.layout == own.layout
    assert inspect.signature(CachingBackend.counted) == inspect.signature(Backend.counted)


class Counting(Printed):
    """A model that counts, and notes how often it is asked to count and to describe."""

    counts = 0
    descriptions = 0

    def counted(self, size: Size, request: Request, read: int | None) -> int | None:
        self.counts += 1
        return 1000 + (read or 0)

    def describe(self, job: Job) -> Description | None:
        self.descriptions += 1
        size = Size(*job.image.size)
        layout = Layout(size, (View(Box.of(size), size),))
        return Description(layout, Ledger.of(size, layout.views, [Grid(1, 1)]))


def test_flops_are_counted_once_and_kept_with_the_answer(store: KeptAnswers) -> None:
    size, model = Size(*RED.size), Counting(asked=lambda *_: answer("red"))
    first, again = CachingBackend(model, store), CachingBackend(model, store)
    (seen,) = first.run([Job("a", RED, ask())])
    (known,) = again.run([Job("b", RED.copy(), ask())])
    told = [one.counted(size, ask(), seen.visual_tokens) for one in (first, again)]
    assert told == [1000 + (seen.visual_tokens or 0)] * 2 == [seen.counted, known.counted]
    assert model.counts == 1
    assert first.counted(size, ask("Why?"), 3) == 1003  # never run: counted
    again.begin()
    assert again.counted(size, ask(), 5) == 1005


def test_descriptions_are_made_once_a_picture_and_request(store: KeptAnswers) -> None:
    model = Counting()
    for job in (Job("a", RED, ask()), Job("b", RED.copy(), ask(reason="again"))):
        found = CachingBackend(model, store).describe(job)
        assert found is not None
        assert found.layout.size == Size(*RED.size)
    assert model.descriptions == 1
    CachingBackend(model, store).describe(Job("a", BLUE, ask()))
    CachingBackend(model, store).describe(Job("a", RED, ask("Why?")))
    assert model.descriptions == 3


def test_a_description_is_no_answer(store: KeptAnswers) -> None:
    model = Counting(asked=lambda *_: answer("red"))
    known = CachingBackend(model, store)
    known.describe(Job("a", RED, ask()))
    known.run([Job("a", RED, ask())])
    assert model.log == [ask()]


def test_maps_of_attention_are_kept_to_the_bit(store: KeptAnswers) -> None:
    model = Printed(look=lambda request, size: (peak(size, 0.3, 0.6), peak(size, 0.1, 0.1)))
    job = Job("a", RED, Watch(sights=(ImageRegion(),), questions=("?", "!")))
    (one,), (other,) = (CachingBackend(model, store).run([job]) for _ in range(2))
    assert len(model.log) == 1
    assert isinstance(one.observation, tuple)
    assert isinstance(other.observation, tuple)
    for mine, yours in zip(one.observation, other.observation, strict=True):
        np.testing.assert_array_equal(mine.boxes, yours.boxes)
        np.testing.assert_array_equal(mine.weights, yours.weights)


def test_half_a_surrogate_in_a_question_is_kept_too(store: KeptAnswers) -> None:
    model = Printed(asked=lambda *_: answer("\ud83d"))
    for _ in range(2):
        (seen,) = CachingBackend(model, store).run([Job("a", RED, ask("\udc00?"))])
        assert isinstance(seen.observation, Answer)
        assert seen.observation.text == "\ud83d"
    assert len(model.log) == 1


def test_many_threads_write_and_read(store: KeptAnswers) -> None:
    model = Printed(asked=lambda request, _: answer(request.question))
    known = CachingBackend(model, store)

    def one(number: int) -> str:
        (seen,) = known.run([Job("a", RED, ask(str(number % 40)))])
        assert isinstance(seen.observation, Answer)
        return seen.observation.text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(400))) == [str(number % 40) for number in range(400)]
    asked = len(model.log)
    assert asked < 400
    list(map(one, range(400)))
    assert len(model.log) == asked


def test_two_stores_share_a_file(tmp_path: Path) -> None:
    model = Printed()
    stores = [KeptAnswers(tmp_path / NAME) for _ in range(2)]
    for store in stores:
        CachingBackend(model, store).run([Job("a", RED, ask())])
        store.close()
    assert len(model.log) == 1


def test_the_oldest_answers_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LIMIT", 3)
    seen = JobResult(Answer("x"), (), 1, 1, 1.0)
    keys = [bytes([9 - number]) for number in range(5)]
    store = KeptAnswers(tmp_path / NAME)
    for key in keys:
        store.put([key], [seen])
    store.put([keys[0]], [replace(seen, tokens=2)])
    store.close()
    again = KeptAnswers(tmp_path / NAME)
    assert [one is not None for one in again.get(keys)] == [True, False, False, True, True]
    again.close()


CURE = "answers cannot be kept in .*set XDG_CACHE_HOME.*delete the file.*--fresh"


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"nothing that sqlite knows" * 100)
    with pytest.raises(SaccadeError, match=CURE):
        KeptAnswers(tmp_path / NAME)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SaccadeError, match=CURE):
        KeptAnswers(tmp_path / "file" / NAME)


def test_a_damaged_file_is_one_clear_error_when_it_is_read(tmp_path: Path) -> None:
    store = KeptAnswers(tmp_path / NAME)
    keys = [number.to_bytes(2, "big") for number in range(2000)]
    store.put(keys, [JobResult(Answer("x" * 50), (), 1, 1, 1.0)] * len(keys))
    store.close()
    raw = bytearray((tmp_path / NAME).read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    (tmp_path / NAME).write_bytes(raw)
    with pytest.raises(SaccadeError, match=CURE):
        KeptAnswers(tmp_path / NAME).get(keys)


@pytest.mark.parametrize("value", ["no JSON", "{}", '{"observation": {"answer": 3}}'])
def test_a_damaged_answer_is_one_clear_error(tmp_path: Path, value: str) -> None:
    store = KeptAnswers(tmp_path / NAME)
    store.put([b"a"], [JobResult(Answer("x"), (), 1, 1, 1.0)])
    with sqlite3.connect(tmp_path / NAME) as other:
        other.execute("update kept set value = ?", (value,))
    other.close()
    with pytest.raises(SaccadeError, match=CURE):
        store.get([b"a"])


def test_a_file_that_turns_unwritable_is_one_clear_error(store: KeptAnswers) -> None:
    store._base.execute("pragma query_only = on")
    with pytest.raises(SaccadeError, match=CURE):
        store.put([b"a"], [JobResult(Answer("x"), (), 1, 1, 1.0)])
    store._base.execute("pragma query_only = off")
    store.put([b"a"], [JobResult(Answer("x"), (), 1, 1, 1.0)])
    assert store.get([b"a"])[0] is not None


def test_tests_never_touch_the_users_cache() -> None:
    home = Path.home() / ".cache"
    assert not kept.cache_folder().is_relative_to(home)
    code = "from saccade.core.records.cache_folder import cache_folder; print(cache_folder())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == kept.cache_folder()
