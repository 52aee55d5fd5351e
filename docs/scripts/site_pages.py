"""Pages of the site that are not listed by hand: those at the root of the repository, and the generated catalogue.

A hook of MkDocs. The README is the home page; links are rewritten from the root of the repository to the site's.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files at the root, and what the site calls them."""
CATALOGUE = "docs/readers"
"""Where ``make docs`` writes the catalogue."""
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the catalogue into the menu: its index, and the pages that the index links to, in its order."""
    index = (ROOT / CATALOGUE / "README.md").read_text(encoding="utf-8")
    names = ["README.md", *re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\)", index, re.MULTILINE)]
    for section in config.nav or []:
        if "Catalogue" in section:
            section["Catalogue"] = [f"{Path(CATALOGUE).name}/{name}" for name in names]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=moved(text)))
    files.append(File.generated(config, "LICENSE", content=(ROOT / "LICENSE").read_text(encoding="utf-8")))
    return files


def moved(text: str) -> str:
    """``text`` with its links seen from the folder of the docs."""
    return _LINK.sub(lambda link: f"]({_target(link[1])}{link[2] or ''})", text)


def _target(link: str) -> str:
    return PAGES.get(link, link.removeprefix("docs/"))
