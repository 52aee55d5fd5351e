"""One Markdown page for each reader of the catalogue, and their index. Nothing on them is written by hand.

What a page says comes from its composition in ``saccade.architectures``, the docstring of the reader's file, its
presets, the notes under ``claims/``, and the stored results of a comparison.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from saccade.architectures import COMPOSITIONS
from saccade.architectures.architecture import Composition
from saccade.architectures.catalogue import system
from saccade.core.plan import Plan
from saccade.core.records.files import write_whole
from saccade.core.size import Size
from saccade.evaluation.results import Results
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.pages import bottleneck
from saccade.report.pages.figures import fill
from saccade.report.pages.laws import Law, law_of
from saccade.report.pages.notes import Claim, Notes, Verdict, notes
from saccade.report.pages.points import measured, points
from saccade.report.pages.stages import parts_of, path_of, words_of
from saccade.specs.planner.system import TEXT
from saccade.specs.reader import ReaderSpec

SIZES = (Size(640, 480), Size(1024, 1024), Size(1240, 1754))
"""A photograph, a square, and a page of A4 at 150 dpi."""
MEANING = {
    "exact": "outputs equal the reference implementation's on the same weights; tests hold it.",
    "faithful": "built from the paper and the authors' code; there is no reference to test the whole against.",
    "survey": "the survey's variant, known to differ from the published system.",
}
TALLY: dict[Verdict, str] = {
    "true": "true",
    "depends": "that depend",
    "wrong": "wrong",
    "no source": "without a source",
}
"""How claims of each verdict are summed up."""
LATENTS = "latents.svg"
BOTTLENECK = (
    f"![detail and gist against the number of latents]({LATENTS})\n\nWhat fewer latents lose, beside the full-token "
    "model on an image so small that it takes as many tokens; whiskers are 95 % intervals."
)
DOUBT = "†"
MEASURED = "measured below"
SOURCE = "<!-- written by `make docs`; change what it is made from, not this page -->"


def write(folder: Path, results: Results) -> list[Path]:
    """Write every page, what is drawn on them, and the index into ``folder``; the paths, the index last."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = files(results)
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]


def files(results: Results) -> dict[str, str]:
    """What is written, by its name."""
    drawn = bottleneck.curve(results)
    pages = {f"{name}.md": page(name, results) for name in COMPOSITIONS}
    return pages | ({} if drawn is None else {LATENTS: drawn}) | {"README.md": index(results)}


def page(name: str, results: Results) -> str:
    """One reader's page."""
    entry, law, about = COMPOSITIONS[name], law_of(COMPOSITIONS[name]), notes(name)
    presets = {size: make() for size, make in entry.presets.items()}
    real = {size: spec for size, spec in presets.items() if size != "tiny"} or presets
    blocks = [
        f"# {law.title}",
        SOURCE,
        f"{_sentence(law.summary)} In the catalogue: `{name}`.",
        *_fidelity(entry, law),
        "## Parts",
        f"image → {path_of(next(iter(real.values())))} → answer",
        _parts(real),
        "## Tokens",
        *_law(law, about),
        "## Counts",
        *_counts(about),
        "## What the survey says",
        *_claims(about, seen=bool(points(about, results))),
        "## Measured",
        *measured(about, results),
        *([BOTTLENECK] if bottleneck.shown(about.embedded, results) else []),
    ]
    return "\n\n".join(blocks) + "\n"


def index(results: Results) -> str:
    """The list of all pages."""
    heads = ["model", "what it does", "fidelity", "tokens", "detail", "gist", "survey"]
    rows = []
    for name, entry in COMPOSITIONS.items():
        about = notes(name)
        row = next(iter(points(about, results)), None)
        scores = (
            [words.NONE] * 3
            if row is None
            else [words.tokens(row.visual_tokens), *map(words.score, (row.detail, row.gist))]
        )
        wrong = sum(claim.verdict == "wrong" for claim in about.claims)
        told = f"{wrong} of {len(about.claims)} wrong"
        rows.append([f"[{law_of(COMPOSITIONS[name]).title}]({name}.md)", entry.summary, entry.fidelity, *scores, told])
    blocks = [
        "# Catalogue",
        SOURCE,
        "One page for each way of reading images that runs here: its parts, its token count, what it keeps and loses, "
        "what it costs, what the survey says of it and what is true, and what was measured.",
        pipes(heads, rows, right=(3, 4, 5)),
        "Tokens, detail and gist are those of the small embedded model on the generated benchmark: accuracy (%) ± half "
        "of the 95 % interval; a dash, where there is none yet. *Survey* counts the statements that were checked.",
        "\n".join(f"- **{mark}**: {meaning}" for mark, meaning in MEANING.items()),
        '*The survey* is the text that this project began with: "Vision-Language Model Architectures: Comprehensive '
        'Overview & Comparative Analysis", version 1.0, dated 2025-01-31, 811 lines. It is not part of the repository. '
        "L48 is its line 48; its words are shortened here. **wrong**: a source or a count contradicts it. **depends**: "
        "it holds under an assumption that the survey does not state. **no source**: nothing was found to check it "
        "against.",
    ]
    return "\n\n".join(blocks) + "\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fidelity(entry: Composition, law: Law) -> list[str]:
    """The mark and what it means, what the file says of it, and what was assumed."""
    said = law.closing.removeprefix(entry.fidelity.capitalize()).lstrip(":. ")
    if entry.assumptions:  # the file's own list of them is the shorter one below
        said = said.split("Assumed")[0].strip()
    told = f"Fidelity: **{entry.fidelity}**. {_sentence(MEANING[entry.fidelity])}"
    made = [f"{told} {_sentence(said)}".strip()]
    if entry.assumptions:
        made.append("\n".join(["Assumed:", "", *(f"- {assumption}" for assumption in entry.assumptions)]))
    return made


def _parts(presets: Mapping[str, ReaderSpec]) -> str:
    """Stages down, presets across."""
    told = {
        size: {stage: words_of(part)[1] for stage, part in parts_of(spec).items()} for size, spec in presets.items()
    }
    stages = list(dict.fromkeys(stage for parts in told.values() for stage in parts))
    rows = [[stage, *(told[size].get(stage, words.NONE) for size in presets)] for stage in stages]
    costs = [spec.plan(Size(336, 336), TEXT) for spec in presets.values()]
    rows.append(["parameters", *(_weights(plan) for plan in costs)])
    return pipes(["stage", *(f"`{size}`" for size in presets)], rows)


def _weights(plan: Plan) -> str:
    each = ((plan.vision, "tower"), (plan.connector, "connector"), (plan.language, "language"))
    return ", ".join(f"{stage} {words.weights(cost.params)}" for cost, stage in each)


def _law(law: Law, about: Notes) -> list[str]:
    lines = {"Count": law.law, "Used by": law.used_by, "Keeps": about.keeps, "Loses": law.loses, "Source": law.source}
    return ["\n".join(f"- **{head}**: {text}" for head, text in lines.items())]


def _counts(about: Notes) -> list[str]:
    """Published models over pictures of some sizes; sizes that cost the same share a line."""
    if not about.published:
        return ["No published model is built like this; none is counted."]
    heads = ["model", "image", "visual tokens", "positions", "tower", "connector", "language", "parameters"]
    rows, doubtful = [], False
    for name in about.published:
        plans = {size: system(name).plan([size]) for size in SIZES}
        unsure = any(note.startswith("unverified") for plan in plans.values() for note in plan.notes)
        doubtful |= unsure
        shared: dict[tuple[str, ...], list[Size]] = {}
        for size, plan in plans.items():
            shared.setdefault(_amounts(plan), []).append(size)
        for amounts, sizes in shared.items():
            told = "any" if len(sizes) == len(SIZES) else ", ".join(map(str, sizes))
            rows.append([f"`{name}`{DOUBT if unsure else ''}", told, *amounts])
    said = f"Counted by `saccade plan`, with {TEXT} positions of text; *tower*, *connector* and *language* in GFLOPs."
    if doubtful:
        said += f" {DOUBT} Some constants of this model were seen in no released file: `saccade plan --why` names them."
    return [pipes(heads, rows, right=range(2, len(heads))), said]


def _amounts(plan: Plan) -> tuple[str, ...]:
    stages = (plan.vision, plan.connector, plan.language)
    flops = (words.giga(cost.flops) for cost in stages)
    return (f"{plan.visual_tokens:,}", f"{plan.slots:,}", *flops, words.weights(plan.params))


def _claims(about: Notes, *, seen: bool) -> list[str]:
    """Sorted as the survey goes; ``seen`` is whether the page has a measured point."""
    claims = sorted(about.claims, key=lambda claim: claim.first)
    found = Counter(claim.verdict for claim in claims)
    tally = ", ".join(f"{found[verdict]} {told}" for verdict, told in TALLY.items() if found[verdict])
    heads = ["line", "the survey, in short", "verdict", "what is true", "source", "checked by"]
    rows = [
        [claim.lines, claim.says, f"**{claim.verdict}**", fill(claim.truth), claim.source, _checks(claim, seen)]
        for claim in claims
    ]
    return [f"{len(claims)} statements: {tally}. [What these words mean](README.md).", pipes(heads, rows)]


def _checks(claim: Claim, seen: bool) -> str:
    """What checks a claim, its tests by their paths: they are no part of the site."""
    if not seen and claim.checked == MEASURED:
        return "not measured yet"
    return ", ".join(f"`{check}`" if check.startswith("tests/") else check for check in claim.checked.split("; "))
