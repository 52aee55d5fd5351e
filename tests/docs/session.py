"""A page that is followed by hand: its commands are typed and its Python is run, in a folder of the reader's own."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from saccade.cli.main import main
from tests.docs.blocks import Block, Command, commands, same

URL = re.compile(r"http://(?:localhost|127\.0\.0\.1):8000/v1")
"""Where pages say that a server is."""


class Session:
    """Runs the blocks of a page in the current folder; servers that the page names are the one at ``url``."""

    def __init__(self, page: Path, url: str, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.page, self.url, self.patch, self.capture = page, url, patch, capture
        self.names: dict[str, object] = {}
        self.served: list[tuple[object, ...]] = []
        patch.setattr("saccade.web.run.run", lambda *arguments: self.served.append(arguments))

    def run(self, block: Block) -> None:
        """Run one block. Fails where it does not do what the page says."""
        where = f"{self.page}:{block.line}"
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(URL.sub(self.url, block.text), where, "exec"), self.names)
        elif block.language in ("sh", "console"):
            *first, last = commands(block)
            for command in first:
                self.type(command, 0, where)
            self.type(last, block.status, where)
        else:
            assert block.language == "text", f"{where}: blocks of {block.language} are run by nobody"

    def type(self, command: Command, status: int, where: str) -> None:
        """Type one command line, and compare what it prints with what is shown."""
        assert command.line.startswith("saccade "), f"{where}: {command.line}: mark it as not run"
        self.patch.setattr(sys, "argv", shlex.split(URL.sub(self.url, command.line)))
        self.capture.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code
        printed, errors = self.capture.readouterr()
        printed = printed.replace(self.url, "http://localhost:8000/v1")
        assert ended == status, f"{where}: {command.line} ended with {ended}\n{printed}{errors}"
        assert same(command.output, printed), f"{where}: {command.line} prints\n{printed}"
