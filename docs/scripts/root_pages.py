"""Pages of the site that stand at the root of the repository, where people look for them first.

A hook of MkDocs. The README is the home page; links are rewritten from the root of the repository to the site's.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files at the root, and what the site calls them."""
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


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
