"""A comparison that is killed at random moments and run again gives the results of an undisturbed one.

``SACCADE_KILLS=20`` kills it more often than the few times of every day.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from saccade.policies.scheduler import THREADS

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("SACCADE_KILLS", "2"))
BATCH = 128
TIMES = ("ms", "seconds")
SINGLE = ('"side":null', '"keep":null', '"top":0')
"""In a request: one look at the whole picture."""


def start(out: Path, calls: Path, where: str, cache: Path) -> subprocess.Popen[str]:
    calls.touch()
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "tests.evaluation.killable", str(out), str(calls), where]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(told.splitlines()[-1])


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]


def plain(value: Any) -> Any:
    """Results without what a clock said."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if name not in TIMES}
    return [plain(one) for one in value] if isinstance(value, list) else value


def results(out: Path) -> list[Any]:
    return [plain(json.loads((out / name).read_text())) for name in ("results.json", "policies.json")]


def answers(out: Path) -> list[Any]:
    told = [json.dumps(plain(json.loads(line)), sort_keys=True) for line in lines(out / "answers.jsonl")]
    return sorted(told)


@pytest.mark.parametrize("where", ["remote", "local"])
def test_killed_and_run_again(tmp_path: Path, where: str) -> None:
    whole = tmp_path / "whole"
    told = finished(start(whole, tmp_path / "whole calls", where, tmp_path / "whole cache"))
    assert told == {"torch": False}
    undisturbed = Counter(lines(tmp_path / "whole calls"))
    assert set(undisturbed.values()) == {1}

    out, calls, cache = tmp_path / "out", tmp_path / "calls", tmp_path / "cache"
    draws, answered = random.Random(where), list[int]()
    for _ in range(KILLS):
        more = draws.randrange(0, undisturbed.total() // KILLS)
        kept = _killed_after(more, out, calls, where, cache)
        answered.append(kept)
    before = len(lines(calls))
    finished(start(out, calls, where, cache))
    assert results(out) == results(whole)
    assert answers(out) == answers(whole)
    assert answered == sorted(answered)

    again = Counter(lines(calls))
    assert set(again) == set(undisturbed)
    lost = THREADS * 2 if where == "remote" else BATCH
    assert sum(count - 1 for count in again.values()) <= KILLS * lost
    assert len(lines(calls)) - before >= undisturbed.total() - before

    asked = len(lines(calls))
    finished(start(out, calls, where, cache))
    finished(start(tmp_path / "another", calls, where, cache))
    assert len(lines(calls)) == asked
    assert results(tmp_path / "another") == results(whole)


def _killed_after(more: int, out: Path, calls: Path, where: str, cache: Path) -> int:
    """Kill a run once it has asked ``more`` questions; how many answers the journal holds."""
    calls.touch()
    before = len(lines(calls))
    process = start(out, calls, where, cache)
    while process.poll() is None and len(lines(calls)) < before + more:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    journal = out / "answers.jsonl"
    return len(lines(journal)) if journal.is_file() else 0


def test_only_answers_in_flight_are_asked_twice(tmp_path: Path) -> None:
    """With no cache to help: what the journal holds when the process dies is never asked again."""
    out, calls = tmp_path / "out", tmp_path / "calls"
    _killed_after(60, out, calls, "remote", tmp_path / "cache")
    known = _asked_of(lines(out / "answers.jsonl"))
    before = len(lines(calls))
    finished(start(out, calls, "remote", tmp_path / "another cache"))
    later = lines(calls)[before:]
    singles = {_question(line) for line in later if all(part in line for part in SINGLE)}
    assert known
    assert not known & singles


def _asked_of(journal: Sequence[str]) -> set[str]:
    """Questions that a single look at the whole picture has answered."""
    told = [json.loads(line) for line in journal[1:]]
    return {f"{one['picture'][1:]}.{one['question']}?" for one in told if one["candidate"].startswith("stub · once")}


def _question(line: str) -> str:
    return json.loads(line.split("\t")[1])["question"]
