"""BLIP-2's retrieval folders: scores from pixels and words equal transformers' own."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.backends.store import from_pretrained, load, load_reader, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime.retriever import Retriever
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.matcher import MatcherSpec
from saccade.specs.retriever import RetrieverSpec
from tests.architectures.blip2.folders import SIZES, bert, change, retrieval
from tests.parts import close, counted, picture

PICTURES = [picture(*size) for size in SIZES]
TEXTS = ["a cat", "b", "some of the dogs"]


def theirs(model, processor, images, texts, *, match: bool) -> torch.Tensor:
    """Every picture with the text of its number for the match, or with all of them."""
    inputs = processor(images=images, text=texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs, use_image_text_matching_head=match).logits_per_image


@pytest.fixture(params=[True, False], ids=["placeholder", "none"])
def both(request, tmp_path):
    model, processor = retrieval(tmp_path, placeholder=request.param)
    return model, processor, load(tmp_path)


def test_scores_equal_those_of_transformers_alone_and_padded(both):
    model, processor, ours = both
    processor.tokenizer.padding_side = "right"
    with torch.no_grad():
        close(ours.similarity(PICTURES, TEXTS), theirs(model, processor, PICTURES, TEXTS, match=False))
        close(ours.match(PICTURES, TEXTS), theirs(model, processor, PICTURES, TEXTS, match=True))
        for image, text in zip(PICTURES, TEXTS, strict=True):
            close(ours.similarity([image], [text]), theirs(model, processor, [image], [text], match=False))
            close(ours.match([image], [text]), theirs(model, processor, [image], [text], match=True))


def test_ranking_is_by_the_match_of_what_is_similar(both):
    model, processor, ours = both
    found = ours.rank(PICTURES, TEXTS, top=2)
    similar = ours.similarity(PICTURES, TEXTS)
    for row, image in enumerate(PICTURES):
        for col in similar[row].topk(2).indices.tolist():
            no, yes = theirs(model, processor, [image], [TEXTS[col]], match=True)[0]
            close(found[row, col], yes - no)
    assert int(found.isinf().sum()) == 3
    assert not ours.rank(PICTURES, TEXTS, of="texts", top=3).isinf().any()
    assert ours.rank(PICTURES, TEXTS, of="texts", top=1).isfinite().sum(dim=0).tolist() == [1, 1, 1]


def test_pictures_may_be_encoded_once(both):
    *_, ours = both
    with torch.no_grad():
        seen = ours.encode(PICTURES)
        close(ours.similarity(seen, TEXTS), ours.similarity(PICTURES, TEXTS))
        close(ours.match(seen, TEXTS), ours.match(PICTURES, TEXTS))
        close(ours.rank(seen, TEXTS), ours.rank(PICTURES, TEXTS))
    assert seen.shape == (3, 17, 16)


def test_saved_again_and_loaded_it_is_the_same(both, tmp_path):
    *_, ours = both
    save_pretrained(ours, tmp_path / "again")
    again = from_pretrained(tmp_path / "again")
    assert isinstance(again, Retriever)
    assert again.spec == ours.spec
    assert again.similarity(PICTURES, TEXTS).equal(ours.similarity(PICTURES, TEXTS))


def test_a_matcher_that_writes_learns_from_pictures_and_captions(both):
    *_, ours = both
    spec = ours.spec
    qformer = QFormerSpec(**{name: getattr(spec.matcher.qformer, name) for name in QFormerSpec.__dataclass_fields__})
    taught = Retriever(
        RetrieverSpec(
            views=spec.views, tower=spec.tower, matcher=MatcherSpec(qformer=qformer, embed=6, pad=0, cls=2, dec=47)
        ),
        bert(),
    )
    told = taught.tokenizer(TEXTS, padding=True, padding_side="right", return_tensors="pt")
    given = {"negatives": torch.tensor([[1, 0], [2, 1]]), "pictures": torch.tensor([0, 0, 1])}
    for options in (lambda: given, lambda: {"generator": torch.Generator().manual_seed(3)}):
        with torch.no_grad():
            wanted = taught.matcher.losses(taught.encode(PICTURES), told["input_ids"], **options())
        losses = taught.losses(PICTURES, TEXTS, **options())
        assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(
            {name: float(loss) for name, loss in wanted.items()}
        )
    sum(losses.values()).backward()
    assert taught.matcher.temperature.grad is not None
    assert taught.tower.backbone.embeddings.patch_embedding.weight.grad is not None


def test_cost_is_what_torch_counts_of_tower_and_matcher(both):
    *_, ours = both
    spec = ours.spec
    assert isinstance(spec.views, StretchSpec)
    tower = counted(lambda: Retriever(spec, bert()).tower, lambda part: part(torch.empty(1, 3, 28, 28, device="meta")))
    (view,) = spec.views.layout(Size(90, 40)).views
    matcher = spec.matcher.cost(spec.tower.grid(view), 7)
    assert spec.cost(Size(90, 40), 7).flops == tower.flops + matcher.flops
    assert spec.cost(Size(90, 40), 7).params == sum(weight.numel() for weight in ours.parameters())


def test_refusals(both, tmp_path):
    *_, ours = both
    with pytest.raises(SaccadeError, match="3 pictures and 2 texts are no pairs; pair them"):
        ours.match(PICTURES, TEXTS[:2])
    with pytest.raises(SaccadeError, match="nothing to retrieve from: hand in 1 picture or more"):
        ours.similarity([], TEXTS)
    with pytest.raises(SaccadeError, match="nothing to retrieve: hand in 1 text or more"):
        ours.similarity(PICTURES, [])
    with pytest.raises(SaccadeError, match="it only judges, having no head that writes"):
        ours.losses(PICTURES, TEXTS)
    with pytest.raises(SaccadeError, match=r"puts out 16 channels and 1 tokens .* takes 12 and 1; make them equal"):
        RetrieverSpec(
            views=ours.spec.views, tower=ours.spec.tower,
            matcher=MatcherSpec(qformer=QFormerSpec(width_in=12, width_out=0, vocabulary=30_523)),
        )  # fmt: skip
    with pytest.raises(SaccadeError, match="holds a Retriever, which answers no questions; name a reader"):
        load_reader(tmp_path)


def test_refuses_folders_that_do_not_fit(tmp_path):
    retrieval(tmp_path)
    file = tmp_path / "model.safetensors"
    held = load_file(file)
    save_file({name: tensor for name, tensor in held.items() if not name.startswith("itm_head")}, file)
    with pytest.raises(SaccadeError, match=r"lacks 2 of \d+ weights: matcher\.match_head\.bias"):
        load(tmp_path)
    save_file(held, file)
    change(tmp_path, "qformer_config", hidden_act="relu")
    with pytest.raises(SaccadeError, match="activation is 'relu'"):
        load(tmp_path)
    change(tmp_path, "qformer_config", hidden_act="gelu")
    settings = tmp_path / "tokenizer_config.json"
    data = json.loads(settings.read_text())
    data.pop("cls_token")
    settings.write_text(json.dumps({**data, "cls_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(SaccadeError, match="has no cls_token_id, and a matcher's texts are BERT's"):
        load(tmp_path)
