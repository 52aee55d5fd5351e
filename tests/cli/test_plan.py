"""``saccade plan`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from saccade.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Exit status of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["saccade", *map(str, arguments)])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.effect_noise((640, 480), 90).convert("RGB").save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_the_whole_table_imports_neither_torch_nor_transformers():
    code = (
        "import sys; sys.argv = ['saccade', 'plan', '--size', '1024x768']; from saccade.cli.main import main; main(); "
        "print([name for name in ('torch', 'transformers', 'torchvision', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "qwen2.5-vl-7b" in done.stdout


def test_a_photograph_explained(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "plan", photo, "--models", "qwen2.5-vl-7b,llava-uhd-144", "--why") == 0
    said = capsys.readouterr().out
    assert "resize 640×480 to 644×476: 23×17 blocks of 28 px; 391 visual tokens" in said
    assert "5 × 144 = 720 visual tokens; with 4 markers 724 positions" in said


def test_what_fits_comes_with_settings(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "plan", photo, "--models", "qwen2.5-vl-7b", "--fit", "24GB", "--tokens", "100") == 0
    said = capsys.readouterr().out
    assert "max_pixels=" in said
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in said
    assert "vLLM" in said


def test_nothing_fits_is_status_1(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "plan", photo, "--models", "llava-1.5-7b", "--fit", "2GB") == 1
    assert "12.5 GB over 2.00 GB" in capsys.readouterr().out


def test_json_alone_goes_out(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "plan", photo, "--models", "gemma-3-4b", "--set", "pan_scan=true", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["models"][0]["plans"][0]["visual_tokens"] == 768
    assert data["setting"]["options"] == {"pan_scan": "true"}


def test_repeated_settings_add_up(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    changes = ("--set", "pan_scan=true", "--set", "max_crops=2")
    assert run(monkeypatch, "plan", photo, "--models", "gemma-3-4b", *changes, "--json") == 0
    assert json.loads(capsys.readouterr().out)["setting"]["options"] == {"pan_scan": "true", "max_crops": "2"}


def test_the_drawing_is_written(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    target = photo.with_name("out.png")
    assert run(monkeypatch, "plan", photo, "--models", "llava-uhd-144", "--show", target) == 0
    assert "out.png" in capsys.readouterr().out
    with Image.open(target) as drawn:
        assert drawn.size[0] >= 400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan",), "name a picture"),
        (("plan", "--size", "0x100"), "at least 1x1 pixels, got 0x100"),
        (("plan", "--size", "1024"), "width x height"),
        (("plan", "--size", "64x64", "--fit", "banana"), "--fit takes an amount of memory"),
        (("plan", "--size", "64x64", "--models", "qwen2.5-7b"), "did you mean qwen2.5-vl-7b"),
        (("plan", "--size", "64x64", "--tokens", "-1"), "--tokens takes a whole number of at least 1"),
        (("plan", "--size", "64x64", "--batch", "-1"), "at least 1 request, got -1"),
        (("plan", "--size", "64x64", "--within", "300ms"), "--calibrate"),
        (("plan", "--size", "64x64", "--video", "frames=3"), "--video takes frames=600,fps=30"),
        (("plan", "--size", "64x64", "--video", "frame=3,fps=3"), "did you mean frames"),
        (("plan", "--video", "frames=3,fps=3"), "--size, such as 1280x720"),
        (("plan", "--size", "64x64", "--set", "mode"), "--set takes option=value"),
        (("plan", "--size", "64x64", "--calibrate", "--device", "h100"), "drop one of the two"),
        (("plan", "--size", "64x64", "--show", "a.png"), "name it with --models"),
        (("plan", "nowhere.jpg"), "nowhere.jpg: there is no such file"),
        (("plam",), "did you mean plan"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--models", "llava-1.5-7b", "--show", "a.jpg"), "ends in .png"),
        (("--models", "llava-1.5-7b", "--show", "no/a.png"), "there is no folder"),
        (("--models", "llava-1.5-7b,gemma-3-4b", "--show", "a.png"), "draws one model, 2 were planned"),
    ],
)
def test_drawings_that_cannot_be_written(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
):
    monkeypatch.chdir(photo.parent)
    assert run(monkeypatch, "plan", photo, *more) == 2
    assert said in capsys.readouterr().err
    assert [file.name for file in photo.parent.iterdir()] == ["photo.jpg"]


def test_help_lists_the_verbs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch) == 0
    said = capsys.readouterr().out
    assert all(verb in said for verb in ("plan", "compare", "train", "models"))


def test_the_catalogue_as_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "models", "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "saccade.models/2"
