"""The Q-Former at BLIP-2's size against transformers' class, and a step of its first training stage.

Reading: 32 queries over 257 × 1408 patches, batch 1 and 8, equal weights, like number type against like. The peer is
``Blip2QFormerModel`` with sdpa attention. Outputs are held to each other; in bfloat16 both are held to float32, since
rounding differs with the order of the sums, and a row apart sets our bfloat16 against our float32.

A step: forward and backward of the three losses over frozen patches, equal negatives, against the same losses with the
keys and values of the images made four times, once for the contrast and thrice for the match, as the published code
does. Losses and the queries' gradient are held to each other.

Medians of runs in turns.

    python benchmarks/qformer.py [--repeats 9] [--threads 2] [--pairs 8]
"""

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import cast

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from saccade.connectors.qformer import QFormer
from saccade.core.grid import Grid
from saccade.nn import objectives
from saccade.runtime.matcher import Matcher
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.matcher import MatcherSpec
from saccade.weights.qformer import joined, rename

GRID = Grid(16, 16)
SPEC = QFormerSpec(width_in=1408, width_out=0)
WORDED = QFormerSpec(width_in=1408, width_out=0, vocabulary=30_523)
LENGTH = 32


def timed(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each, run in turns after one run each that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: median(times[1:]) for name, times in taken.items()}


@torch.inference_mode()
def reading(table: Table, repeats: int) -> None:
    """Rows of ours against transformers'."""
    torch.manual_seed(0)
    config = Blip2QFormerConfig()
    config._attn_implementation = "sdpa"
    peer = cast(nn.Module, Blip2QFormerModel(config)).eval()
    ours = QFormer(SPEC).eval()
    queries = 0.02 * torch.randn(1, SPEC.queries, SPEC.width)
    published = {f"qformer.{name}": weight for name, weight in peer.state_dict().items()} | {"query_tokens": queries}
    ours.load_state_dict(joined(published, rename(published, SPEC)))
    images = {batch: torch.randn(batch, GRID.tokens + 1, SPEC.width_in) for batch in (1, 8)}
    right = {batch: ours(patches, GRID) for batch, patches in images.items()}
    plain: dict[int, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        peer.to(dtype)
        ours.to(dtype)
        for batch, patches in images.items():
            own, asked = patches.to(dtype), queries.to(dtype).expand(batch, -1, -1)

            def theirs(own: Tensor = own, asked: Tensor = asked) -> Tensor:
                return peer(query_embeds=asked, encoder_hidden_states=own).last_hidden_state

            def mine(own: Tensor = own) -> Tensor:
                return ours(own, GRID)

            errors = [float((run().float() - right[batch]).abs().max()) for run in (theirs, mine)]
            assert max(errors) < (1e-4 if dtype == torch.float32 else 0.2), errors
            found = timed({"theirs": theirs, "mine": mine}, repeats)
            name = f"read, batch {batch}, {str(dtype).removeprefix('torch.')}"
            told = f"theirs {errors[0]:.0e}, ours {errors[1]:.0e}"
            table.add_row(name, *_cells(found["theirs"], found["mine"]), told)
            if dtype == torch.float32:
                plain[batch] = found["mine"]
            else:
                error = f"ours {errors[1]:.0e}"
                table.add_row(f"ours, batch {batch}, float32 → bfloat16", *_cells(plain[batch], found["mine"]), error)


def four_times(matcher: Matcher, patches: Tensor, ids: Tensor, negatives: Tensor) -> dict[str, Tensor]:
    """The losses, with keys and values of the images made anew for the 3 × batch pairs of the match."""
    former, real, batch = matcher.qformer, ids != matcher.spec.pad, len(ids)
    dec, head, temperature = matcher.spec.dec, matcher.word_head, matcher.temperature
    assert dec is not None
    assert head is not None
    assert temperature is not None
    seen = former.read(former.image(patches))
    text = former.read(ids=ids, real=real, rows=1).text
    assert seen.queries is not None
    assert text is not None
    assert former.words is not None
    pictured = F.normalize(matcher.image_head(seen.queries), dim=-1)
    texted = F.normalize(matcher.text_head(text[:, 0]), dim=-1)
    scores = objectives.similarities(pictured, texted) / temperature
    own = torch.arange(batch)[:, None].expand(-1, 2)
    shown, told = torch.cat([own, negatives]).unbind(dim=1)
    logits = matcher.match(former.image(patches[shown]), ids[told], real[told])
    words = former.write(seen.memory, torch.cat([torch.full_like(ids[:, :1], dec), ids[:, 1:]], dim=1), real)
    return {
        "itc": objectives.contrastive(scores, objectives.together(ids, real)),
        "itm": objectives.matching(logits, batch),
        "itg": objectives.generation(head(words, former.words.weight), ids, real),
    }


def step(table: Table, repeats: int, pairs: int) -> None:
    """A row of one training step."""
    torch.manual_seed(0)
    matcher = Matcher(MatcherSpec(qformer=WORDED))
    patches = torch.randn(pairs, GRID.tokens + 1, WORDED.width_in)
    ids = torch.randint(1000, 30_000, (pairs, LENGTH))
    ids[:, 0] = matcher.spec.cls
    index = torch.arange(pairs)
    negatives = torch.cat([torch.stack([index.roll(1), index], 1), torch.stack([index, index.roll(2)], 1)])

    def run(losses: Callable[[], dict[str, Tensor]]) -> tuple[dict[str, float], Tensor]:
        matcher.zero_grad()
        terms = losses()
        torch.stack(list(terms.values())).sum().backward()
        gradient = matcher.qformer.queries.grad
        assert gradient is not None
        return {name: float(term.detach()) for name, term in terms.items()}, gradient.clone()

    def once() -> dict[str, Tensor]:
        return matcher.losses(patches, ids, negatives=negatives)

    def often() -> dict[str, Tensor]:
        return four_times(matcher, patches, ids, negatives)

    (ours, gradient), (theirs, other) = run(once), run(often)
    apart = max(abs(ours[name] - theirs[name]) for name in ours)
    slope = float((gradient - other).abs().max() / other.abs().max())
    assert apart < 1e-4, (ours, theirs)
    assert slope < 1e-3, slope
    found = timed({"theirs": lambda: run(often), "mine": lambda: run(once)}, repeats)
    told = f"losses {apart:.0e}, gradient {slope:.0e}"
    table.add_row(f"training step, {pairs} pairs, float32", *_cells(found["theirs"], found["mine"]), told)


def _cells(theirs: float, mine: float) -> tuple[str, str, str]:
    return f"{theirs:.0f}", f"{mine:.0f}", f"{theirs / mine:.2f} ×"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    title = f"{options.threads} threads, medians of {options.repeats}"
    table = Table("what", "peer, ms", "ours, ms", "ratio", "largest difference", title=title)
    reading(table, options.repeats)
    step(table, options.repeats, options.pairs)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
