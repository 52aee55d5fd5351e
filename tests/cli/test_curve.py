"""The curve that people pay for: five budgets × 100 questions of one's own, against a local server."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.api.comparing import Compared, compare
from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Results, Row
from saccade.report.cheapest import sentences
from tests.cli.counting_server import TWIN, WORDS, CountingServer

BUDGETS = (16, 32, 64, 128, 256)
QUESTIONS = 100
NEEDED = {number: 20 for number in range(40)} | {number: 40 for number in range(5)} | {7: 70}
"""Visual tokens that the first questions need: of 100, one is lost at 64 tokens, six at 32, and 41 at 16."""


def questions(folder: Path, count: int = QUESTIONS) -> Path:
    lines = []
    for number in range(count):
        size = (480 + 40 * (number % 5), 360 + 40 * (number % 3))
        Image.new("RGB", size, (number, 0, 99)).save(folder / f"{number}.png", compress_level=1)
        line = {"image": f"{number}.png", "question": f"What is in image {number}?", "answer": str(number)}
        lines.append(json.dumps(line))
    (folder / "mine.jsonl").write_text("\n".join(lines))
    return folder / "mine.jsonl"


class Command:
    """The same command, again and again."""

    def __init__(self, data: Path, url: str) -> None:
        self.out = data.parent / "out"
        told = ("--data", data, "--models", url, "--twin", TWIN, "--budgets", ",".join(map(str, BUDGETS)))
        more = ("--within-loss", "2", "--price-per-million", "2.5", "--out", self.out)
        self.line = [sys.executable, "-m", "saccade", "compare", *map(str, (*told, *more))]
        self.env = {**os.environ, "XDG_CACHE_HOME": str(data.parent / "cache"), "COLUMNS": "200"}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.line, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self) -> tuple[int, str, str]:
        done = subprocess.run(self.line, env=self.env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def killed_after(self, answers: int) -> None:
        """Run until so many answers are written, then SIGKILL."""
        with self.start() as process:
            end = time.monotonic() + 60
            while self.answers < answers:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end, f"{self.answers} answers after a minute"
                time.sleep(0.02)
            process.kill()

    @property
    def answers(self) -> int:
        journal = self.out / "answers.jsonl"
        return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def rows(results: Results) -> dict[int | None, Row]:
    return {row.budget: row for row in results.rows}


def test_killed_twice_and_deserted_once_it_asks_nothing_twice(tmp_path: Path):
    server = CountingServer(NEEDED)
    data = questions(tmp_path)
    with server.running():
        command = Command(data, server.url)
        for server.limit in (70, 333):
            command.killed_after(server.limit)
            server.release.set()
    server.limit, server.dies = 450, True
    with server.running():
        process = command.start()
        assert server.dead.wait(60)
    with process:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "the same command resumes from there" in said
    assert command.answers == 450
    server.limit = None
    with server.running():
        code, said, error = command.run()
        assert (code, error) == (0, "")
    assert command.answers == (1 + len(BUDGETS)) * QUESTIONS
    assert max(Counter(server.asked).values()) == 1  # an image that fits a budget whole is not sent again for it
    _holds(Results.from_json((command.out / "results.json").read_text()), server.asked, said)


def _holds(results: Results, asked: list[tuple[str, int]], said: str) -> None:
    """Tokens are the plan's, and the cheapest setting is named."""
    by_question: dict[str, list[int]] = {}
    for question, tokens in asked:
        by_question.setdefault(question, []).append(tokens)
    found = rows(results)
    for budget in (*BUDGETS, None):
        largest = [max(one for one in tokens if budget is None or one <= budget) for tokens in by_question.values()]
        assert len(largest) == QUESTIONS
        assert found[budget].visual_tokens == pytest.approx(np.mean(largest))
        assert found[budget].tokens == pytest.approx(np.mean(largest) + WORDS)
        assert results.cost(found[budget]) == pytest.approx(2.5 * (np.mean(largest) + WORDS) / 1000)
    (best,) = results.cheapest
    assert (best.policy, best.budget, best.among, best.proved) == ("resize", 64, 5, False)
    assert best.difference == pytest.approx(-0.01)
    assert best.ci95 is not None
    assert best.ci95[0] < -0.02 < best.difference < best.ci95[1]
    (sentence,) = sentences(results)
    assert "cheapest within 2 points is resize to 64" in sentence
    assert "−1.0 points (95 % interval " in sentence
    assert "not proved with 100 questions, the loss may exceed 2 points; ask more" in sentence
    assert " per 1,000 questions" in sentence
    assert sentence in " ".join(said.split())
    assert " cost " in said


def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: CountingServer, **options: object) -> Compared:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with server.running():
        return compare(questions(tmp_path, 6), models=[server.url], **options)  # pyright: ignore[reportArgumentType]


def test_a_server_that_counts_otherwise_than_its_twin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = small(tmp_path, monkeypatch, CountingServer({}, tells=3), twin=TWIN, budgets=[64, 9999])
    counts = rows(found.results)
    assert counts[64].visual_tokens == pytest.approx((counts[64].tokens or 0) - WORDS + 3)
    beyond, differs = found.faults
    assert "budgets of 9999 change nothing" in beyond
    assert f"counts other visual tokens than the plan of {TWIN} in 12 of 12 answers" in differs


def test_a_server_that_counts_as_its_twin_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert small(tmp_path, monkeypatch, CountingServer({}, tells=0), twin=TWIN, budgets=[64]).faults == ()


def test_a_twin_that_counts_more_than_was_read_is_not_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (fault,) = small(tmp_path, monkeypatch, CountingServer({}, words=-20), twin=TWIN, budgets=[64]).faults
    assert "it is not the model there; name another twin" in fault


def test_budgets_that_nobody_can_keep_are_refused_before_a_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = CountingServer({})
    with pytest.raises(SaccadeError, match=r"does not tell how many visual tokens.*--twin"):
        small(tmp_path, monkeypatch, server, budgets=[64])
    assert server.asked == []


def test_where_every_budget_loses_too_much_nothing_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = CountingServer(dict.fromkeys(range(6), 90))
    found = small(tmp_path, monkeypatch, server, twin=TWIN, budgets=[32, 64], within_loss=2)
    (best,) = found.results.cheapest
    assert (best.saves, best.among) == (False, 2)
    (sentence,) = sentences(found.results)
    assert "no budget saves anything within 2 points" in sentence
