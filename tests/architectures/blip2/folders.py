"""Tiny BLIP-2 and InstructBLIP checkpoints as they lie on disk, every weight random, and transformers' answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    BlipImageProcessorPil,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)

from tests.architectures.llava.folders import IMAGE, tokenizer
from tests.parts import LLAMA, shake

QUERIES = 5
VISION = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 7,
}  # fmt: skip
QFORMER = {
    "vocab_size": 270, "hidden_size": 8, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 12,
    "max_position_embeddings": 96,
}  # fmt: skip
ENDS = {"eos_token_id": 257, "bos_token_id": 256, "pad_token_id": 258}
OPT = {
    "model_type": "opt", "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "vocab_size": 270, "max_position_embeddings": 128, "init_std": 0.5, **ENDS,
}  # fmt: skip
T5 = {
    "model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2,
    "vocab_size": 270, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu", "decoder_start_token_id": 258,
    **ENDS,
}  # fmt: skip
LANGUAGES: dict[str, dict[str, Any]] = {
    "opt": OPT,
    "llama": {**LLAMA, **ENDS},
    "qwen2": {**LLAMA, **ENDS, "model_type": "qwen2"},
    "t5": {**T5, "tie_word_embeddings": True},
    "flan": {**T5, "tie_word_embeddings": False},
}
SIZES = [(28, 28), (40, 30), (31, 67)]
TEXTS = ["what is it?", "a", "which of the many things is larger?"]


def checkpoint(
    folder: Path, kind: str = "opt", *, instructed: bool = False, qformer: dict[str, Any] | None = None,
    image: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **options: object,
) -> tuple[Any, Any]:  # fmt: skip
    """A BLIP-2 around a ``kind`` of language model, saved by transformers; ``options`` go to its config."""
    language = AutoConfig.for_model(**{**LANGUAGES[kind], **(text or {})})
    of, model_of = (
        (InstructBlipConfig, InstructBlipForConditionalGeneration)
        if instructed
        else (Blip2Config, Blip2ForConditionalGeneration)
    )
    settings = {"num_query_tokens": QUERIES, "image_token_index": IMAGE, **options}
    config = of(vision_config=VISION, qformer_config={**QFORMER, **(qformer or {})}, text_config=language, **settings)
    torch.manual_seed(3)
    model = model_of(config).eval()
    if kind == "flan":  # transformers ties a head that was published as one of its own
        head = model.language_model.lm_head
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.language_model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    shake(model)
    with torch.no_grad():
        model.query_tokens.normal_()
    model.save_pretrained(folder)
    images = BlipImageProcessorPil(**(image or {"size": {"height": 28, "width": 28}}))
    if instructed:
        processor = InstructBlipProcessor(images, tokenizer(), asking(), num_query_tokens=QUERIES)
    else:
        processor = Blip2Processor(images, tokenizer(), num_query_tokens=QUERIES)
    processor.save_pretrained(folder)
    return model, processor


def retrieval(
    folder: Path, *, placeholder: bool = True, words: int = 48
) -> tuple[Blip2ForImageTextRetrieval, Blip2Processor]:
    """A tiny retrieval model with BERT's tokenizer; with a ``placeholder`` the processor puts one a query in front."""
    config = Blip2Config(
        vision_config=VISION,
        qformer_config={**QFORMER, "vocab_size": words, "use_qformer_text_input": True},
        num_query_tokens=QUERIES,
        image_text_hidden_size=6,
        image_token_index=len(bert()) if placeholder else None,
    )
    torch.manual_seed(4)
    model = Blip2ForImageTextRetrieval(config).eval()
    shake(model)
    with torch.no_grad():
        model.query_tokens.normal_()
    model.save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": 28, "width": 28})
    processor = Blip2Processor(images, bert(), num_query_tokens=QUERIES if placeholder else None)
    processor.save_pretrained(folder)
    return model, processor


def bert() -> BertTokenizer:
    """Letters, alone and going on, behind BERT's five special tokens."""
    letters = "abcdefghijklmnopqrst"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return BertTokenizer({word: number for number, word in enumerate(words)})


def asking() -> Any:
    """The Q-Former's tokenizer: other ids for the same text, padding on the right as BERT's."""
    made = tokenizer(["[more]"], first=257)
    made.padding_side = "right"
    return made


def inputs_of(processor: Any, images: Sequence[Image.Image], texts: Sequence[str]) -> dict[str, Tensor]:
    """What the processor makes of pairs: the pictures' places first, then padding, then text.

    InstructBLIP's would pad the instruction on the language model's side, where BERT's places would shift.
    """
    inputs = processor(images=list(images), text=list(texts), padding=True, return_tensors="pt")
    if "qformer_input_ids" in inputs:
        asked = processor.qformer_tokenizer(list(texts), padding=True, padding_side="right", return_tensors="pt")
        inputs |= {f"qformer_{name}": asked[name] for name in ("input_ids", "attention_mask")}
    return dict(inputs)


def theirs(
    model: Any, processor: Any, images: Sequence[Image.Image], texts: Sequence[str], targets: Sequence[str] = ()
) -> list[Tensor]:
    """transformers' logits over each expanded prompt, or, from a T5, over the start and each target.

    Its class passes no positions, so a Llama would count padding as distance: they are handed in.
    """
    inputs = inputs_of(processor, images, texts)
    if model.config.text_config.model_type == "t5":
        rows = [[258, *processor.tokenizer(target, add_special_tokens=False)["input_ids"]] for target in targets]
        written = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        with torch.inference_mode():
            scores = model(**inputs, decoder_input_ids=written).logits
        return [scores[index, : len(row)] for index, row in enumerate(rows)]
    mask = inputs["attention_mask"]
    told = {} if model.config.text_config.model_type == "opt" else {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
    with torch.inference_mode():
        scores = model(**inputs, **told).logits
    return [row[real.bool()] for row, real in zip(scores, mask, strict=True)]


def loss_of(
    model: Any, processor: Any, images: Sequence[Image.Image], texts: Sequence[str], targets: Sequence[str]
) -> Tensor:
    """transformers' loss with labels on the targets alone; everything padded on the right."""
    processor.tokenizer.padding_side = "right"
    inputs = inputs_of(processor, images, texts)
    ids = [torch.tensor(processor.tokenizer(target, add_special_tokens=False)["input_ids"]) for target in targets]
    if model.config.text_config.model_type == "t5":
        labels = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-100)
        return model(**inputs, labels=labels).loss
    rows, labels = [], []
    for row, real, target in zip(inputs["input_ids"], inputs["attention_mask"].bool(), ids, strict=True):
        rows.append(torch.cat([row[real], target]))
        labels.append(torch.cat([torch.full_like(row[real], -100), target]))
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    inputs |= {"input_ids": nn.utils.rnn.pad_sequence(rows, batch_first=True), "attention_mask": mask}
    return model(**inputs, labels=nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)).loss


def generated(
    model: Any, processor: Any, images: Sequence[Image.Image], texts: Sequence[str], tokens: int
) -> list[list[int]]:
    """transformers' greedy answers, each up to and with its end."""
    inputs = inputs_of(processor, images, texts)
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    before = 1 if model.config.text_config.model_type == "t5" else inputs["input_ids"].shape[1]
    answers = [row[before:].tolist() for row in out]
    return [answer[: answer.index(257) + 1] if 257 in answer else answer for answer in answers]


def change(folder: Path, inside: str | None, **changes: object) -> None:
    """Set keys of ``config.json``, or of an object in it."""
    config = json.loads((folder / "config.json").read_text())
    (config if inside is None else config[inside]).update(changes)
    (folder / "config.json").write_text(json.dumps(config))
