"""The site is built strictly, every link of it leads somewhere, and it asks nothing of a network."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import saccade
from tests.docs.blocks import DOCS, ROOT

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
"""What a browser fetches by itself; links are followed by people."""


@dataclass
class Page:
    """One HTML file: its links (tag, attribute, target) and the ids that links may end at."""

    links: list[tuple[str, str, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.page.links.append((tag, name, value))
            elif value and (name == "id" or (tag, name) == ("a", "name")):
                self.page.ids.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make site`` builds it. With ``--quiet``, ``--strict`` would count no warnings."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every HTML file of the site."""
    found = {}
    for path in site.rglob("*.html"):
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        found[path] = reader.page
    return found


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]):
    assert len(pages) > 40
    broken = [
        f"{path.relative_to(site)} → {target}"
        for path, page in pages.items()
        for _, _, target in page.links
        if path.name != "404.html" and not leads(path, target, pages)
    ]
    assert not broken


def leads(path: Path, target: str, pages: dict[Path, Page]) -> bool:
    """Whether a link of the page at ``path`` ends at a file and, where it names one, at an id. Others' sites are not
    asked.
    """
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return file.is_file() and (not parts.fragment or file not in pages or unquote(parts.fragment) in pages[file].ids)


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]):
    fetched = {target for page in pages.values() for tag, name, target in page.links if (tag, name) in LOADED}
    assert not {target for target in fetched if urlsplit(target).scheme in ("http", "https") or target.startswith("//")}
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", styles)
    assert not any('class="mermaid"' in path.read_text(encoding="utf-8") for path in pages), "its script is fetched"


def test_every_page_is_reached_from_the_menu(site: Path, pages: dict[Path, Page]):
    home = site / "index.html"
    menu = {(site / urlsplit(target).path).resolve() for _, _, target in pages[home].links}
    assert set(pages) - menu == {site / "404.html"}


def test_every_public_name_has_an_entry(pages: dict[Path, Page]):
    ids = set().union(*(page.ids for page in pages.values()))
    missing = [name for name in dir(saccade) if not name.startswith("_") and not _entries(name) & ids]
    assert not missing


def _entries(name: str) -> set[str]:
    """Ids under which a public name may stand: as it is imported, or as it is defined."""
    made = getattr(saccade, name)
    return {f"saccade.{name}", f"{made.__module__}.{name}"}


# Pages of the root


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("[a](docs/log.md)", "[a](log.md)"),
        ("![a](docs/a.png)", "![a](a.png)"),
        ("[a](docs/log.md#the-tower)", "[a](log.md#the-tower)"),
        ("[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("[a](https://docs/x)", "[a](https://docs/x)"),
        ("[a](#docs/x)", "[a](#docs/x)"),
    ],
)
def test_links_of_the_root_are_seen_from_the_docs(link: str, moved: str):
    found = importlib.util.spec_from_file_location("site_pages", DOCS / "scripts" / "site_pages.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert module.moved(link) == moved


def test_links_of_the_root_lead_somewhere_on_a_plain_checkout_too():
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (ROOT / target).exists(), f"{name}: {target}"
