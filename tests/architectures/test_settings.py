"""Settings: a line or a reason for everything that can be planned; what vLLM and lmms-eval are told parses."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from saccade.architectures import ARCHITECTURES, FAMILIES, PRESETS
from saccade.architectures.catalogue import system
from saccade.architectures.settings import settings as module
from saccade.architectures.settings.settings import settings
from saccade.core.errors import SaccadeError
from saccade.specs.planner.system import ModelSpec, Option, Value

OCR2 = "deepseek-ocr-2"


def example(option: Option) -> Value:
    if option.choices:
        return option.choices[0]
    examples: dict[str, Value] = {"min_pixels": 401_408, "max_pixels": 802_816, "longest_edge": 728}
    kinds: dict[type, Value] = {bool: True, float: 0.5, int: 4}
    return examples.get(option.name, kinds[option.kind])


def every_choice(one: ModelSpec) -> list[dict[str, Value]]:
    """Nothing, each option alone, and all of them."""
    each: list[dict[str, Value]] = [{option.name: example(option)} for option in one.family.options]
    return [{}, *each, {name: value for given in each for name, value in given.items()}]


# ---- every family -------------------------------------------------------------------------------------------------


def test_every_family_is_advised():
    assert [name for name, one in ARCHITECTURES.items() if one.advice is not None] == list(FAMILIES)


def check_vllm(line: str, one: ModelSpec, context: int | None) -> dict[str, Any]:
    """The flags of a line, JSON parsed."""
    program, verb, checkpoint, *flags = shlex.split(line, comments=True)
    assert (program, verb, checkpoint) == ("vllm", "serve", one.checkpoint)
    found = {flag: value for flag, value in zip(flags, [*flags[1:], ""], strict=True) if flag.startswith("--")}
    assert found.get("--max-model-len") == (None if context is None else str(context))
    return {flag: json.loads(value) if value.startswith("{") else value for flag, value in found.items()}


def arguments(words: str) -> dict[str, str]:
    """Commas part arguments, unless they stand in quotes or brackets: as lmms-eval reads its --model_args."""
    parts, depth, quote = [""], 0, ""
    for letter in words:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        else:
            depth += (letter in "{[") - (letter in "}]")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    assert depth == 0
    assert not quote
    return dict(part.split("=", 1) for part in parts)


def check_lmms_eval(line: str, one: ModelSpec) -> dict[str, Any]:
    """The arguments of an adapter, JSON parsed."""
    words = shlex.split(line, comments=True)
    assert words[:4] == ["python", "-m", "lmms_eval", "--model"]
    assert words[5] == "--model_args"
    found = arguments(words[6])
    assert found.pop("model" if words[4] == "vllm" else "pretrained") == one.checkpoint
    return {name: json.loads(value) if value.startswith("{") else value for name, value in found.items()}


@pytest.mark.parametrize("video", [False, True], ids=["pictures", "video"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_line_or_a_reason(name: str, video: bool):
    one = system(name)
    for options in every_choice(one):
        for context, count in ((None, 1), (32_768, 3)):
            found = settings(one, options, context=context, pictures=count, video=video)
            for text in (found.transformers, found.vllm, found.lmms_eval):
                assert text == text.strip()
                assert "\n" not in text
                assert "None" not in text.replace("fps = None", "")
            if found.vllm.startswith("vllm serve"):
                check_vllm(found.vllm, one, context)
            if found.lmms_eval.startswith("python"):
                check_lmms_eval(found.lmms_eval, one)
            if "(" in found.transformers.partition(" ")[0] or found.transformers.startswith("processor"):
                compile(found.transformers, name, "exec")


def test_all_options_of_one_picture_reach_a_target_or_are_named():
    """No option falls through: with another value, at least one of the three texts is another."""
    for name in PRESETS:
        one = system(name)
        video = one.path().video is not None
        for option in one.family.options:
            if option.name == "instruction":  # a length of text, which is no setting
                continue
            if option.name == "max_crops":
                continue  # means something together with pan_scan alone; tested below
            plain = (settings(one, {}), settings(one, {}, video=video))
            told = {option.name: example(option) if option.kind is not bool else not _own(one, option.name)}
            assert (settings(one, told), settings(one, told, video=video)) != plain, (name, option.name)


def _own(one: ModelSpec, option: str) -> bool:
    return bool(one.processor.get({"split": "do_image_splitting", "crop": "crop_to_patches"}.get(option, ""), False))


def test_unknown_options_are_refused():
    with pytest.raises(SaccadeError, match="unknown option of idefics3-8b 'tiles'"):
        settings(system("idefics3-8b"), {"tiles": 3})


def test_needs_no_torch():
    code = (
        "import sys; from saccade.architectures.catalogue import system; "
        "from saccade.architectures.settings.settings import settings; "
        "settings(system('qwen2.5-vl-7b'), {}); print(*{'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == ""


def test_says_which_versions_were_read():
    assert module.__doc__ is not None
    for version in ("5.23", "vLLM of May 2026", "lmms-eval of\nAugust 2026"):
        assert version in module.__doc__


# ---- vLLM and lmms-eval -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "video", "told"),
    [
        ("qwen2.5-vl-7b", {"max_pixels": 1003520}, False, {"size": {"shortest_edge": 3136, "longest_edge": 1003520}}),
        ("qwen2.5-vl-7b", {"max_pixels": 200704}, True, {"size": {"shortest_edge": 100352, "longest_edge": 200704}}),
        ("qwen3-vl-8b", {"min_pixels": 4096}, False, {"size": {"shortest_edge": 4096, "longest_edge": 16777216}}),
        ("idefics3-8b", {"longest_edge": 728}, False, {"size": {"longest_edge": 728}}),
        ("smolvlm-2.2b", {"split": False}, False, {"do_image_splitting": False}),
        ("gemma-3-4b", {"pan_scan": True, "max_crops": 2}, False,
         {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": 2}),
        ("internvl3-8b", {"max_tiles": 4}, False, {"max_patches": 4}),
        ("ovis2-8b", {"max_tiles": 4}, False, {"max_partition": 4}),
        ("kimi-vl-a3b", {"max_patches": 1024}, False, {"in_token_limit": 1024}),
        ("llava-1.5-7b", {}, False, None),
    ],
)  # fmt: skip
def test_vllm_processor(name: str, options: Mapping[str, Value], video: bool, told: object):
    flags = check_vllm(settings(system(name), options, context=4096, video=video).vllm, system(name), 4096)
    assert flags.get("--mm-processor-kwargs") == told


@pytest.mark.parametrize(
    ("name", "options", "frames"),
    [
        ("qwen2.5-vl-7b", {}, {"fps": 2.0, "num_frames": 768}),
        ("qwen3-vl-8b", {"sample_fps": 1.0, "max_frames": 64}, {"fps": 1.0, "num_frames": 64}),
        ("qwen3-vl-8b", {"num_frames": 16}, {"num_frames": 16}),
        ("internvl3-8b", {}, {"num_frames": 8}),
        ("internvl3-8b", {"num_frames": 32}, {"num_frames": 32}),
    ],
)
def test_vllm_videos(name: str, options: Mapping[str, Value], frames: object):
    flags = check_vllm(settings(system(name), options, pictures=2, video=True).vllm, system(name), None)
    assert flags["--media-io-kwargs"] == {"video": frames}
    assert flags["--limit-mm-per-prompt"] == {"image": 0, "video": 2}


def test_vllm_counts_pictures():
    flags = check_vllm(settings(system("gemma-3-4b"), {}, pictures=5).vllm, system("gemma-3-4b"), None)
    assert flags["--limit-mm-per-prompt"] == {"image": 5}
    flags = check_vllm(settings(system("qwen3-vl-8b"), {}, pictures=5).vllm, system("qwen3-vl-8b"), None)
    assert flags["--limit-mm-per-prompt"] == {"image": 5, "video": 0}
    flags = check_vllm(settings(system("kimi-k2.5"), {}, pictures=5).vllm, system("kimi-k2.5"), None)
    assert flags["--limit-mm-per-prompt"] == {"vision_chunk": 5}
    assert "--limit-mm-per-prompt" not in settings(system("kimi-k2.5"), {}, video=True).vllm


@pytest.mark.parametrize(
    ("name", "options", "given", "target", "reason"),
    [
        ("paligemma-3b-448", {}, {"pictures": 2}, "vllm", "takes 1 picture a prompt for paligemma-3b-448, not 2"),
        ("paligemma-3b-448", {}, {"pictures": 2}, "lmms_eval", "there: vLLM takes 1 picture a prompt"),
        ("idefics2-8b", {"split": False}, {}, "vllm", "does not support idefics2-8b"),
        ("smolvlm-2.2b", {}, {"video": True}, "vllm", "reads no videos with smolvlm-2.2b"),
        ("gemma-3-4b", {}, {"video": True}, "transformers", "gemma-3-4b reads no videos"),
        ("ovis2.5-9b", {"max_pixels": 802816}, {}, "vllm", "has no flag; shrink pictures to at most 802816 pixels"),
        ("ovis2.5-9b", {}, {"video": True}, "vllm", "shrink frames to at most 802816 pixels"),
        ("kimi-k2.5", {"max_patches": 4096}, {}, "vllm", "set in_patch_limit to 4096 under media_proc_cfg"),
        ("kimi-k2.5", {"max_patches": 64, "sample_fps": 1.0}, {"video": True}, "vllm",
         "set in_patch_limit_each_frame to 64 and sample_fps to 1.0 under"),
        ("kimi-k2.5", {}, {"video": True}, "lmms_eval", "hands a video over as separate pictures"),
        ("deepseek-ocr", {"mode": "base"}, {}, "vllm", "up to 6 tiles of 640 px and has no flag"),
        ("deepseek-ocr", {"max_tiles": 4}, {}, "transformers", "a constant in the authors' code"),
        (OCR2, {"crop": False}, {}, "transformers", "leave crop on and shrink pictures to at most 768 px a side"),
        (OCR2, {"max_tiles": 2}, {}, "vllm", "up to 6 tiles of 768 px and has no flag"),
        ("colqwen2-v1.0", {}, {}, "lmms_eval", "judges written answers"),
        ("llava-uhd-144", {"max_slices": 3}, {}, "transformers", "slicing takes max_slice_nums=3"),
        ("longvu-7b", {"sample_fps": 0.5}, {"video": True}, "transformers", "get_avg_fps() / 0.5"),
    ],
)  # fmt: skip
def test_reasons(name: str, options: Mapping[str, Value], given: dict[str, Any], target: str, reason: str):
    text = getattr(settings(system(name), options, **given), target)
    assert not text.startswith(("vllm serve", "python -m", "processor ="))
    assert reason in text


@pytest.mark.parametrize(
    ("name", "options", "video", "told"),
    [
        ("qwen2.5-vl-7b", {"max_pixels": 200704}, False, {"min_pixels": "3136", "max_pixels": "200704"}),
        ("qwen2.5-vl-7b", {}, True, {"min_pixels": "100352", "max_pixels": "602112", "fps": "2.0"}),
        ("qwen2.5-vl-7b", {"max_frames": 64}, True,
         {"min_pixels": "100352", "max_pixels": "602112", "max_num_frames": "64"}),
        ("qwen2.5-vl-7b", {"num_frames": 17}, True,
         {"min_pixels": "100352", "max_pixels": "602112", "max_num_frames": "16"}),
        ("qwen3-vl-8b", {"max_frames": 64}, True,
         {"min_pixels": "4096", "total_pixels": "12582912", "fps": "2.0", "max_num_frames": "64"}),
        ("qwen3-vl-8b", {"num_frames": 16}, True,
         {"min_pixels": "256", "max_pixels": "1572864", "max_num_frames": "16"}),
        ("idefics2-8b", {}, False, {"do_image_splitting": "True"}),
        ("idefics2-8b", {"split": False}, False, {"do_image_splitting": "False"}),
        ("internvl3-8b", {}, False, {"min_patches": "1", "max_patches": "12"}),
        ("internvl3-8b", {"num_frames": 16}, True, {"num_frames": "16"}),
        ("gemma-3-4b", {"pan_scan": False}, False, {}),
        ("gemma-3-4b", {"pan_scan": True}, False,
         {"mm_processor_kwargs": {"do_pan_and_scan": True}, "limit_mm_per_prompt": {"image": 1}}),
        ("idefics3-8b", {"longest_edge": 728}, False,
         {"mm_processor_kwargs": {"size": {"longest_edge": 728}}, "limit_mm_per_prompt": {"image": 1}}),
    ],
)  # fmt: skip
def test_lmms_eval(name: str, options: Mapping[str, Value], video: bool, told: object):
    assert check_lmms_eval(settings(system(name), options, video=video).lmms_eval, system(name)) == told


@pytest.mark.parametrize("name", ["colpali-v1.3", "clip-vit-l-14-336"])
def test_vllm_pools_vectors(name: str):
    assert check_vllm(settings(system(name), {}).vllm, system(name), None)["--runner"] == "pooling"


@pytest.mark.parametrize(("name", "adapter"), [("llava-1.5-7b", "llava_hf"), ("instructblip-7b", "instructblip")])
def test_adapters_without_settings(name: str, adapter: str):
    line = settings(system(name), {}).lmms_eval
    assert shlex.split(line)[4] == adapter
    assert check_lmms_eval(line, system(name)) == {}


def test_lmms_eval_over_vllm_knows_the_context():
    line = settings(system("smolvlm-256m"), {}, context=8192, pictures=3).lmms_eval
    told = {"limit_mm_per_prompt": {"image": 3}, "max_model_len": "8192"}
    assert check_lmms_eval(line, system("smolvlm-256m")) == told


@pytest.mark.parametrize(("name", "owner"), [("ovis2-8b", "AIDC-AI"), (OCR2, "deepseek-ai")])
def test_vllm_reads_the_authors_format_alone(name: str, owner: str):
    converted = replace(system(name), checkpoint="my/own")
    assert settings(converted, {}).vllm.startswith(f"vLLM reads this family in the format of {owner} alone")


def test_names_with_blanks_are_quoted():
    found = settings(replace(system("qwen2.5-vl-7b"), checkpoint="/my models/it's"), {})
    assert shlex.split(found.vllm)[2] == "/my models/it's"
    assert arguments(shlex.split(found.lmms_eval)[6].replace("it's", "its"))["pretrained"] == "/my models/its"
    assert '"/my models/it\'s"' in found.transformers
