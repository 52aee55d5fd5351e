"""BLIP-2, its retrieval model and InstructBLIP as ``transformers`` writes them: a folder's JSON files to a spec.

Nothing is assumed silently: an option that no part here has is refused with what to change.
"""

from pathlib import Path
from typing import Any, cast

from transformers import Blip2Config, InstructBlipConfig, PreTrainedConfig, PreTrainedTokenizerBase

from saccade.architectures.blip2 import reader_instruct as instructblip
from saccade.architectures.blip2 import weights as blip2
from saccade.architectures.blip2.reader import SHORT_TEMPLATE, TEMPLATE
from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD
from saccade.core.errors import SaccadeError
from saccade.language.prompt import PLACEHOLDER
from saccade.nn.hub import config_text
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec
from saccade.specs.layouts.sequence import FrontSequence
from saccade.specs.matcher import MatcherSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.retriever import RetrieverSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights.checkpoint import ComposedCheckpoint, ends_of, tokenizer_of
from saccade.weights.files import listing, traced
from saccade.weights.images import processor_of, views_of

IMAGES: dict[str, Any] = {
    "size": {"height": 384, "width": 384}, "image_mean": CLIP_MEAN, "image_std": CLIP_STD,
}  # fmt: skip
"""What their image processor does where the folder does not say."""
DECODERS = ("opt", "llama", "mistral", "qwen2", "qwen3")
"""Causal language models that composed readers are tested with."""
INSTRUCTOR = "qformer_tokenizer"
"""The folder in which the Q-Former's own tokenizer lies."""
RETRIEVAL = "Blip2ForImageTextRetrieval"
INSTRUCTION = 32
"""Positions of instruction that InstructBLIP is counted with; what is read is as long as it is."""


def composed(folder: Path, config: dict[str, Any]) -> ComposedCheckpoint:
    """The folder's parts and where their weights lie."""
    if RETRIEVAL in (config.get("architectures") or ()):
        return _retriever(folder, Blip2Config.from_dict(config))
    instructed = config["model_type"] == "instructblip"
    parsed = (InstructBlipConfig if instructed else Blip2Config).from_dict(config)
    tokenizer, files = tokenizer_of(folder), listing(folder)
    language = language_of(folder, cast(PreTrainedConfig, parsed.text_config))
    tower = tower_of(cast(PreTrainedConfig, parsed.vision_config))
    connector = qformer_of(parsed, width_out=language.width, text=INSTRUCTION if instructed else 0)
    if getattr(parsed.qformer_config, "use_qformer_text_input", False):
        raise SaccadeError(
            "use_qformer_text_input gives a BLIP-2 before a language model words that nothing feeds it; set it to false"
        )
    spec = ReaderSpec(
        tower=tower,
        connector=connector,
        sequence=FrontSequence(),
        language=language,
        template=template_of(language, instructed=instructed),
        image_id=image_id_of(parsed.image_token_index, tokenizer, language),
        **views_of(processor_of(folder), IMAGES, tower.side),
    )
    instructor = instructor_of(folder) if instructed else None
    names = blip2.rename(files, connector, language)
    return ComposedCheckpoint(spec, tokenizer, traced(names, files), instructor)


def _retriever(folder: Path, config: Blip2Config) -> ComposedCheckpoint:
    tokenizer, files = tokenizer_of(folder), listing(folder)
    tower = tower_of(cast(PreTrainedConfig, config.vision_config))
    matcher = MatcherSpec(
        qformer=qformer_of(config, width_out=0, worded=True), embed=config.image_text_hidden_size,
        pad=special(tokenizer, "pad_token_id"), cls=special(tokenizer, "cls_token_id"), dec=None,
    )  # fmt: skip
    views = views_of(processor_of(folder), IMAGES, tower.side)
    spec = RetrieverSpec(tower=tower, matcher=matcher, **views)
    return ComposedCheckpoint(spec, tokenizer, traced(blip2.retriever(files, matcher.qformer), files))


def special(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    """The id of a special token that a matcher's texts need. Raises SaccadeError where the tokenizer has none."""
    found = getattr(tokenizer, name)
    if found is None:
        raise SaccadeError(
            f"the tokenizer has no {name}, and a matcher's texts are BERT's: [CLS] in front, [PAD] behind; put the "
            "tokenizer that was published with the model there"
        )
    return found


def tower_of(config: PreTrainedConfig) -> HubTowerSpec:
    """An EVA-CLIP tower, class token kept, every position through the norm behind the last layer."""
    return HubTowerSpec(config=config_text(config), keep_class=True, final_norm=True)


def qformer_of(config: Any, *, width_out: int, text: int = 0, worded: bool = False) -> QFormerSpec:  # noqa: ANN401
    """The Q-Former of a BLIP-2 or InstructBLIP ``config``, with words if it is ``worded`` or has ``text`` positions of
    instruction beside its queries.
    """
    inner = config.qformer_config
    if inner.hidden_act != "gelu":
        raise SaccadeError(
            f"the Q-Former's activation is {inner.hidden_act!r}, here it is 'gelu'; load this one with transformers"
        )
    return QFormerSpec(
        width_in=config.vision_config.hidden_size,
        width_out=width_out,
        queries=config.num_query_tokens,
        depth=inner.num_hidden_layers,
        width=inner.hidden_size,
        heads=inner.num_attention_heads,
        middle=inner.intermediate_size,
        every=inner.cross_attention_frequency,
        vocabulary=inner.vocab_size if text or worded else 0,
        positions=inner.max_position_embeddings,
        eps=inner.layer_norm_eps,
        text=text,
    )


def language_of(folder: Path, text: PreTrainedConfig) -> DecoderSpec | Seq2SeqSpec:
    """The language model. Answers end where its own config says, as in transformers: these classes have it generate
    by itself, unaware of the folder's ``generation_config.json``, which is asked where its config is silent.
    """
    if text.eos_token_id is None:
        text.eos_token_id = ends_of(folder, None)
    if text.model_type == "t5":
        return Seq2SeqSpec(config=config_text(text))
    if text.model_type not in DECODERS:
        raise SaccadeError(
            f"the language model is a {text.model_type!r}; composed BLIP-2s have one of {', '.join(DECODERS)}, t5: "
            "load this one with transformers itself"
        )
    return DecoderSpec(config=config_text(text))


def template_of(language: DecoderSpec | Seq2SeqSpec, *, instructed: bool) -> str:
    """How a question is put."""
    if instructed:
        return instructblip.TEMPLATE
    return SHORT_TEMPLATE if isinstance(language, Seq2SeqSpec) else TEMPLATE


def image_id_of(given: int | None, tokenizer: PreTrainedTokenizerBase, language: DecoderSpec | Seq2SeqSpec) -> int:
    """The placeholder's id: the config's, or, in checkpoints from before there was one, an id that no text has."""
    known = tokenizer.get_vocab().get(PLACEHOLDER)
    if given is None:
        return max(language.vocabulary, len(tokenizer)) if known is None else known
    if known not in (None, given):
        raise SaccadeError(
            f"the tokenizer reads {PLACEHOLDER} as id {known}, the config says {given}; make image_token_index in "
            "config.json and the tokenizer agree"
        )
    return given


def instructor_of(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of what the Q-Former reads."""
    if not (folder / INSTRUCTOR).is_dir():
        raise SaccadeError(
            f"{folder} holds no {INSTRUCTOR}, with which InstructBLIP's Q-Former reads the instruction; save it there "
            "(InstructBlipProcessor.save_pretrained does)"
        )
    return tokenizer_of(folder / INSTRUCTOR)
