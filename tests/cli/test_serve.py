"""``saccade serve`` as it is typed."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from saccade.cli.main import main
from saccade.web.run import is_loopback, listening


def test_serves_until_it_is_interrupted(tmp_path: Path):
    command = [sys.executable, "-m", "saccade.cli.main", "serve", "pool-4", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("pool-4 answers at http://127.0.0.1:")
        with urllib.request.urlopen(f"{line.split()[3]}/models", timeout=30) as answer:
            assert json.load(answer)["data"][0]["id"] == "pool-4"
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the model to serve, such as: saccade serve llava"),
        (("lava",), "unknown model 'lava'; did you mean llava"),
        (("pool-4", "--port", "70000"), "from 0 (any that is free) to 65535, got 70000"),
        (("pool-4", "--device", "gpu"), "unknown device 'gpu'"),
        (("pool-4", "--dtype", "int4"), "unknown dtype 'int4'"),
        (("pool-4", "--host", "256.0.0.1"), "cannot listen at 256.0.0.1, port 8000"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
):
    monkeypatch.setattr(sys, "argv", ["saccade", "serve", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["saccade", "serve", "pool-4", "--port", str(port)])
        with pytest.raises(SystemExit):
            main()
    assert f"cannot listen at 127.0.0.1, port {port}" in capsys.readouterr().err


def test_listening_elsewhere_is_warned_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("saccade.web.run.run", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["saccade", "serve", "pool-4", "--host", "0.0.0.0"])
    main()
    assert "whoever reaches 0.0.0.0 may ask; there are no keys" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["saccade", "serve", "pool-4"])
    main()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("host", "near"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True), ("0.0.0.0", False), ("::", False),
     ("192.168.0.7", False), ("example.org", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_what_is_this_machine(host: str, near: bool):
    assert is_loopback(host) is near


def test_a_newer_address():
    try:
        door = listening("::1", 0)
    except ValueError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with door:
        assert door.family == socket.AF_INET6


def test_without_fastapi_it_says_what_to_install():
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['saccade', 'serve', 'pool-4']\n"
        "from saccade.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("saccade: serving needs fastapi")
    assert "pip install 'saccade[serve]'" in done.stderr
