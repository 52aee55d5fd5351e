"""Tables of pages that no study's own test holds to its data."""

from collections.abc import Callable

import pytest

from research.fixations.study import FixationStudy, fixations_markdown
from saccade.evaluation.policies import Policies
from saccade.report.policies_table import policies_markdown
from tests.docs.blocks import DOCS

TABLES: dict[str, Callable[[str], str]] = {
    "policies": lambda text: policies_markdown(Policies.from_json(text)),
    "fixations": lambda text: fixations_markdown(FixationStudy.from_json(text)),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_page_says_what_was_measured(name: str):
    page = (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8")
    between = page.split(f"<!-- table: docs/{name}.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == TABLES[name]((DOCS / f"{name}.json").read_text(encoding="utf-8")).strip()
