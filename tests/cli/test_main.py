"""The command line as a user meets it: tables, files, one clear error, exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from saccade.cli.main import main


def saccade(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "saccade.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    Image.new("RGB", (90, 60), (200, 30, 30)).save(tmp_path / "red.png")
    lines = [
        {"image": "red.png", "question": "What color is the background?", "answer": "red"},
        {"image": "red.png", "question": "What kind of picture is this?", "answers": ["scene", "page"]},
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_compares_on_ones_own_pictures(own: Path) -> None:
    done = saccade(
        "compare", "--data", "mine.jsonl", "--models", "llava,pool-4", "--budgets", "4", "--out", "out", cwd=own
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((own / "out" / "results.json").read_text())
    assert results["schema"] == "saccade.compare/2"
    assert {row["reader"] for row in results["rows"]} == {"llava", "pool-4", "llava-thin"}
    page = (own / "out" / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert str(Path("out") / "report.html") in done.stdout


def test_json_goes_to_standard_output_alone(own: Path) -> None:
    done = saccade("compare", "--data", "mine.jsonl", "--models", "pool-4", "--budgets", "1", "--json", cwd=own)
    assert json.loads(done.stdout)["schema"] == "saccade.compare/2"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"image": "gone.png", "question": "a?", "answer": "b"}', "gone.png"),
        ('{"image": "red.png", "question": "a?"', "line 3"),
        ('{"image": "red.png", "qestion": "a?", "answer": "b"}', "did you mean question"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(own: Path, line: str, said: str) -> None:
    with (own / "mine.jsonl").open("a") as file:
        file.write(line + "\n")
    done = saccade("compare", "--data", "mine.jsonl", "--out", "out", cwd=own)
    assert done.returncode == 2
    assert "line 3" in done.stderr
    assert said in done.stderr
    assert not (own / "out").exists()


LOCAL = ("compare", "--pictures", "1", "--models", "pool-4")
SERVER = "http://127.0.0.1:9/v1"
IGNORED = [
    ((*LOCAL, "--twin", "gemma-3-4b"), "twin=gemma-3-4b is for servers"),
    ((*LOCAL, "--retry-failed"), "name it with out"),
    ((*LOCAL, "--retry-failed", "--fresh", "--out", "out"), "leave out retry_failed"),
    ((*LOCAL, "--calibration", "a.jsonl"), "a.jsonl"),
    ((*LOCAL, "--calibration", "toy/exam", "--policies", "scales"), "toy/exam"),
    (("compare", "--pictures", "2", "--data", "mine.jsonl"), "pictures=2 is for the generated benchmark"),
    (("compare", "--models", SERVER, "--device", "cpu"), "device=cpu is for models that are loaded here"),
    (("compare", "--models", SERVER, "--families", "seeds"), "seeds"),
    (("ask", "a.png", "What?", "--model", SERVER, "--dtype", "float32"), "a.png"),
    (("serve", SERVER, "--dtype", "float32"), "dtype=float32 is for models that are loaded here"),
    (("train", "--demo", "resampler", "--set", "seed=1"), "--set changes a recipe"),
    (("plan", "--size", "64x64", "--dpi", "72"), "--dpi is for the pages of PDFs"),
    (("plan", "--size", "64x64", "--reserve", "1GB"), "add --fit"),
    (("plan", "--size", "64x64", "--sort", "time"), "--sort time needs a machine"),
    (("plan", "--size", "64x64", "--within", "3ms"), "name one with --device"),
    (("plan", "--calibrate", "--fit", "24GB"), "--fit is for planning"),
    (("models", "--results", "results.json"), "--results is for pages"),
    (("models", "--pages", "a", "--results", "results.json", "--search", "qwen"), "--search has no effect on pages"),
]
"""Options that would have no effect."""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "--models", "lava"), "did you mean llava"),
        (("compare", "--budgets", "4,-1"), "got -1"),
        (("compare", "--budgets", "four"), "whole numbers"),
        (("compare", "--pictures", "0"), "pictures is at least 1, got 0"),
        (("train", "embeded"), "did you mean embedded"),
        (("train", "--demo", "resampeler"), "did you mean resampler"),
        (("train",), "--demo"),
        (("train", "embedded", "--set", "vision.stpes=3"), "steps"),
        (("train", "embedded", "--device", "cpu", "--dtype", "float16"), "take bfloat16, float32 or auto"),
        (("train", "embedded", "--device", "gpu"), "device"),
        (("train", "exits"), "python -m research exits"),
        (("train", "few-shot"), "python -m research few-shot"),
        (("train", "--demo", "pool-4", "--dtype", "float64"), "dtype"),
        (("train", "embedded", "--set", "sede=1", "--set", "seed=2"), "did you mean seed"),
        *IGNORED,
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["saccade", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a cuda device")
@pytest.mark.parametrize("what", [("embedded",), ("--demo", "resampler")])
def test_training_on_a_device_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: tuple[str, ...]
) -> None:
    test_bad_input_is_one_line_and_status_2(
        tmp_path, monkeypatch, capsys, ("train", *what, "--device", "cuda"), "finds no cuda here; take cpu or auto"
    )


def test_a_file_in_the_place_of_the_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["saccade", "compare", "--out", str(tmp_path / "taken")])
    with pytest.raises(SystemExit):
        main()
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_catalogue_lists_fidelity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["saccade", "models"])
    main()
    said = capsys.readouterr().out
    assert "llava-uhd" in said
    assert "faithful" in said
