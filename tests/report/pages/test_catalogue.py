"""The pages are those that the repository makes, their numbers those worked out by hand, and nothing is left unsaid."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from saccade.architectures import COMPOSITIONS, PRESETS
from saccade.backends.embedded.manifest import cards
from saccade.cli.main import main
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.evaluation.results import Results
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.pages import catalogue as pages
from saccade.report.pages import stages
from saccade.report.pages.catalogue import files, index, page
from saccade.report.pages.figures import figures, fill, names
from saccade.report.pages.laws import law_of, read
from saccade.report.pages.notes import FOLDER, Claim, notes
from saccade.report.pages.points import measured
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.reader import PARTS
from tests.report.fakes import results, row

ROOT = Path(__file__).parents[3]
STORED = ROOT / "docs" / "results.json"
NOTED = sorted(path.stem for path in FOLDER.iterdir())

DOCSTRING = """Name: a sentence
that goes on.

Law     one token, ``n`` of them.
Used by nobody.
Loses   everything
        and more.
Source  a paper.

Faithful: it is.
"""


@pytest.fixture(scope="module")
def stored() -> Results:
    return Results.from_json(STORED.read_text(encoding="utf-8"))


# What is committed


def test_the_pages_are_those_that_make_docs_writes(stored: Results):
    made = files(stored)
    folder = ROOT / "docs" / "readers"
    assert {path.name for path in folder.iterdir()} == set(made), (
        "run make docs, and delete pages that it does not write"
    )
    for name, text in made.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name} is out of date: run make docs"


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_a_page_holds_what_it_promises(name: str, stored: Results):
    text = page(name, stored)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert heads[1:] == ["Parts", "Tokens", "Counts", "What the survey says", "Measured"]
    assert f"**{COMPOSITIONS[name].fidelity}**" in text
    assert all(f"- {assumption}" in text for assumption in COMPOSITIONS[name].assumptions)
    assert all(f"| {claim.lines} |" in text for claim in notes(name).claims)
    assert all(f"`{model}`" in text for model in notes(name).published)
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert all(len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1 for table in tables)
    assert not re.search(r"<(?!!--)", re.sub(r"`[^`]*`", "", text)), "HTML would vanish when the page is shown"
    for target in re.findall(r"\]\(([^)]*)\)", text):
        assert (ROOT / "docs" / "readers" / target).exists(), target
    for check in re.findall(r"`(tests/[^`]*)`", text):
        assert (ROOT / check).exists(), check


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_every_reader_says_its_law(name: str):
    law = law_of(COMPOSITIONS[name])
    assert all((law.title, law.summary, law.law, law.used_by, law.loses, law.source))


def test_every_embedded_reader_stands_on_one_page():
    placed = [reader for name in NOTED for reader in notes(name).embedded]
    assert len(placed) == len(set(placed))
    assert set(cards()) <= set(placed)


# Notes and their numbers


@pytest.mark.parametrize("name", NOTED)
def test_notes_name_what_there_is(name: str):
    found = notes(name)
    assert set(found.published) <= set(PRESETS)
    assert found.claims
    lines = [claim.lines for claim in found.claims]
    assert len(lines) == len(set(lines))
    for claim in found.claims:
        assert 1 <= claim.first <= 811
        assert fill(claim.truth).rstrip(")")[-1] in ".!", claim.truth
        assert claim.says[-1] in ".!"


def test_every_figure_is_printed_somewhere():
    asked = {figure for name in NOTED for claim in notes(name).claims for figure in names(claim.truth)}
    assert asked <= set(figures())
    squares = {figure for figure in figures() if figure.startswith("patches_")}
    assert set(figures()) - squares <= asked


BY_HAND = {
    "patches_336_14": "576",
    "patches_336_16": "441",
    "patches_1024_14": "5,329",
    "sides_14": "256, 576, 2,304, 5,329",
    "sides_16": "196, 441, 1,764, 4,096",
    "shrink_1024": "9.29",
    "pairs_1088": "1,183,744",
    "pairs_1088_layers": "37.9 M",
    "pairs_1088_heads": "1.21 G",
    "mix_1088": "0.621",
    "pairs_2560": "6,553,600",
    "pairs_ratio": "25",
    "scores_2560": "6.71",
    "scores_576": "0.340",
    "cache_2560": "10.7",
    "cache_576": "2.42",
    "cache_ratio": "4.44",
    "llava_window": "14.1",
    "window_32k": "12.5",
    "cross_pairs": "1,310,720",
    "cross_ratio": "5",
    "uhd_patches": "3,882",
    "uhd_slice": "266×406",
    "uhd_64_tokens": "448",
    "uhd_144_tokens": "1,008",
    "uhd_nine_patches": "5,760",
    "uhd_v2_nine": "1,440",
    "uhd_144_nine": "1,440",
    "fold_idefics3": "4",
    "fold_smol_2b": "9",
    "fold_smol_256m": "16",
    "smol_context": "8,192",
    "smol_slots": "1,127",
    "flamingo_tokens": "64",
    "flamingo_patches": "256",
    "idefics9_patches": "257",
    "flamingo_blocks": "8",
    "flamingo_new": "1.18",
    "flamingo_weights": "8.13",
    "flamingo_share": "14.5",
    "idefics9_share": "17.5",
    "paper_3b": "44",
    "paper_9b": "19",
    "paper_80b": "13",
    "blip_patches": "257",
    "blip_fold": "8.03",
    "blip_depth": "12",
    "blip_crossing": "6",
    "blip_new": "107",
    "blip_weights": "3,745",
    "blip_share": "2.86",
    "blip_pairs": "361,472",
    "blip_cache_64": "0.150",
    "blip_cache_512": "0.500",
    "object_tokens": "144",
    "object_points": "1,024",
    "readers": "24",
    "crossed": "2",
}
"""Worked out apart: squares and products on paper, weights from the presets' notes."""


def test_figures_are_those_worked_out_by_hand():
    assert {name: figures()[name] for name in BY_HAND} == BY_HAND


def test_slices_are_capped():
    assert figures()["uhd_144_2048"] == figures()["uhd_144_tokens"]


def test_an_unknown_figure_gets_near_matches():
    with pytest.raises(SaccadeError, match=r"unknown figure 'blip_shares'; did you mean blip_share"):
        fill("{blip_shares} %")


def test_notes_are_read_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SaccadeError, match=r"no notes on fold; write fold\.yaml"):
        notes("fold")
    monkeypatch.setattr("saccade.report.pages.notes.FOLDER", tmp_path)
    tree = yaml.safe_load((FOLDER / "idefics.yaml").read_text(encoding="utf-8"))
    tree["claims"][0]["verdict"] = "perhaps"
    (tmp_path / "fold.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(SaccadeError, match=r"fold\.yaml\.claims\[0\]\.verdict: expected one of 'true', 'depends'"):
        notes("fold")
    (tmp_path / "fold.yaml").write_text("keeps: [", encoding="utf-8")
    with pytest.raises(SaccadeError, match=r"fold\.yaml cannot be read as YAML"):
        notes("fold")


@pytest.mark.parametrize("lines", ["48", "L48-50", "L48,L50", ""])
def test_a_claim_says_where_it_stands(lines: str):
    with pytest.raises(SaccadeError, match="a claim names lines as in"):
        Claim(lines=lines, says="a", verdict="true", truth="b", source="c", checked="d")


def test_a_claim_leaves_nothing_out():
    with pytest.raises(SaccadeError, match="the claim on L48 leaves a text empty"):
        Claim(lines="L48", says="a", verdict="true", truth="b", source="", checked="d")


# Docstrings


def test_a_docstring_is_read_line_by_line():
    law = read(DOCSTRING, "here")
    assert (law.title, law.summary) == ("Name", "a sentence that goes on.")
    assert (law.law, law.used_by) == ("one token, `n` of them.", "nobody.")
    assert (law.loses, law.source, law.closing) == ("everything and more.", "a paper.", "Faithful: it is.")


@pytest.mark.parametrize("head", ["Used by", "Loses", "Source"])
def test_a_docstring_without_one_of_the_lines_is_refused(head: str):
    kept = "\n".join(line for line in DOCSTRING.splitlines() if not line.startswith(head))
    with pytest.raises(SaccadeError, match="here: expected a line each for Law, Used by, Loses, Source"):
        read(kept, "here")


def test_a_docstring_says_something_on_every_line():
    with pytest.raises(SaccadeError, match="here: expected a line each"):
        read(DOCSTRING.replace("Used by nobody.", "Used by "), "here")


def test_a_docstring_has_its_lines_in_order():
    swapped = DOCSTRING.replace("Used by nobody.", "Source  a paper.", 1).replace(
        "Source  a paper.\n\n", "Used by nobody.\n\n"
    )
    with pytest.raises(SaccadeError, match="in this order"):
        read(swapped, "here")


@pytest.mark.parametrize("text", ["", "Name: a sentence.", DOCSTRING.replace(":", ""), DOCSTRING.split("\n\n")[1]])
def test_a_docstring_without_title_or_law_is_refused(text: str):
    with pytest.raises(SaccadeError, match="here: a reader's docstring begins with"):
        read(text, "here")


# Paths


def test_every_part_on_a_page_is_told_in_words():
    specs = [make() for entry in COMPOSITIONS.values() for make in entry.presets.values()]
    specs += [card.spec for card in cards().values()]
    for spec in specs:
        for part in stages.parts_of(spec).values():
            kind = next(kind for kind, made in PARTS.items() if isinstance(part, made))
            assert kind in stages.WORDS, f"say in report/pages/stages.py what a {kind} is"


def test_the_path_of_llava():
    spec = COMPOSITIONS["llava"].presets["1.5-7b"]()
    assert stages.path_of(spec) == "one padded view → CLIP tower → MLP → into the sequence → Llama"
    assert stages.words_of(spec.tower)[1] == "24 layers of 1,024, hidden state 23 read; patches of 14 px"
    assert list(stages.parts_of(spec)) == ["views", "tower", "connector", "sequence", "language"]


def test_a_part_without_words_is_told_by_its_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stages, "WORDS", {})
    assert stages.words_of(PoolSpec(width_in=8, width_out=4096, rows=2, cols=3)) == (
        "pool",
        "width in 8, width out 4,096, rows 2, cols 3",
    )
    assert stages.words_of(MlpSpec(width_in=1, width_out=2))[0] == "mlp"


# Counts


def test_sizes_that_cost_the_same_share_a_line(monkeypatch: pytest.MonkeyPatch, stored: Results):
    monkeypatch.setattr(pages, "SIZES", (Size(336, 336), Size(1024, 1024), Size(640, 480)))
    text = page("idefics", stored)
    assert "| `smolvlm-256m` | 336×336, 1024×1024 | 1,088 | 1,127 | 3,630 | 15.4 | 351 | 256 M |" in text
    assert "| `smolvlm-256m` | 640×480 | 832 | 862 |" in text
    assert "| `llava-1.5-7b` | any | 576 | 576 | 382 | 24.2 | 8,500 | 7.06 B |" in page("llava", stored)
    assert "†" not in page("llava", stored)
    assert "`idefics3-8b`†" in text


def test_only_sizes_that_were_published_are_shown(stored: Results):
    assert "| stage | `1.5-7b` | `1.5-13b` |" in page("llava", stored)
    assert "| parameters | tower 291 M, connector 21.0 M, language 6.74 B |" in page("llava", stored)


def test_claims_stand_in_the_order_of_the_survey(stored: Results):
    for name in COMPOSITIONS:
        firsts = [int(line) for line in re.findall(r"^\| L(\d+)", page(name, stored), re.MULTILINE)]
        assert firsts == sorted(firsts)


def test_assumptions_are_listed_once(stored: Results):
    text = page("llava-uhd", stored)
    assert text.count("Assumed") == 1
    assert "Assumed: the presets pad to a square" in page("llava", stored)


# What was measured


def test_points_stand_beside_the_full_token_reader():
    found = results(
        row("llava", 256.0, 0.9),
        row("resampler-16", 16.0, 0.5),
        row("llava", 16.0, 0.3, policy="random", budget=16),
        row("llava-thin", 16.0, 0.4, policy="uniform", budget=16),
        row("llava-thin", 64.0, 0.7, policy="uniform", budget=64),
        row("llava", 16.0, None, policy="resize", budget=16),
        row("llava", 16.0, 0.8, policy="clever", budget=16),
    )
    table, how, made = measured(notes("llava-uhd"), found)
    lines = table.splitlines()
    assert len(lines) == 4  # llava-uhd and resampler-4 were not measured
    assert lines[2].startswith("| **llava** | 256 | 90.0 ±2.0 | 98.0 ±2.0 | – |")
    assert lines[3].startswith("| resampler-16 | 16 | 50.0 ±2.0 | 98.0 ±2.0 | 40.0 ±2.0 (llava-thin, uniform) |")
    assert "1,304 questions on 200 generated images" in how
    assert "1.87 M parameters" in how
    assert "1 seed each" in how
    assert "- `resampler-16`: one padded view → convolutional tower → 16 learned queries" in made
    assert "- trained (`resampler-16`): resampler-16 was aligned" in made


def test_a_reader_that_is_not_measured_says_so():
    found = results(row("llava", 256.0))
    assert measured(notes("idefics"), found) == [
        "Not measured yet: the stored comparison holds no embedded model of this kind."
    ]
    assert "| – | – | – | 2 of 4 wrong |" in index(found)
    assert "| 9 of 14 wrong |" in index(found)


def test_a_claim_is_measured_only_where_there_is_a_point(stored: Results):
    thin = results(row("pool-8"), reference="pool-8")
    assert "| arXiv:2310.03744 | measured below |" in page("llava", stored)
    assert "| arXiv:2310.03744 | not measured yet |" in page("llava", thin)


def test_a_baseline_is_no_point():
    assert len(measured(notes("idefics"), results(row("llava"), row("idefics", policy="random", budget=64)))) == 1


@pytest.mark.parametrize(
    ("count", "told"), [(12_512, "12,512"), (303_507_456, "304 M"), (6_738_939_904, "6.74 B"), (999_999, "999,999")]
)
def test_weights_in_words(count: int, told: str):
    assert words.weights(count) == told


def test_a_bar_in_a_cell_does_not_end_it():
    assert pipes(["a", "b"], [["x|y", "z"]], right=(1,)) == "| a | b |\n| --- | ---: |\n| x\\|y | z |"


# The command


def test_the_command_writes_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: Results):
    folder = tmp_path / "new" / "readers"
    monkeypatch.setattr(sys, "argv", ["saccade", "models", "--pages", str(folder), "--results", str(STORED)])
    main()
    assert {path.name for path in folder.iterdir()} == set(files(stored))
    assert (folder / "README.md").read_text(encoding="utf-8") == index(stored)


@pytest.mark.parametrize(
    ("more", "message"), [([], "add --results"), (["--results", "none.json"], r"none\.json: there is no such file")]
)
def test_the_command_wants_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str], message: str
):
    monkeypatch.setattr(sys, "argv", ["saccade", "models", "--pages", str(tmp_path), *more])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
