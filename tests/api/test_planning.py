"""Planning many documents on many models: rows, refusals, records, tables."""

import json
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from saccade.api.plan_record import SCHEMA, record
from saccade.api.plan_table import advice, explained, footers, quantile, tables
from saccade.api.planning import Document, FitLimits, PlanningResult, documents_of, media_of, survey
from saccade.architectures import PRESETS
from saccade.core.errors import SaccadeError
from saccade.core.plan import Setting

ONE = (Document("a.png", (media_of(1024, 768),)),)
FILM = (Document("a.mp4", (media_of(1280, 720, 600, 30),)),)


def lines(planning: PlanningResult) -> str:
    console = Console(width=160, record=True, file=StringIO())
    for part in (*tables(planning), *explained(planning), *advice(planning), *footers(planning)):
        console.print(part, soft_wrap=True, highlight=False)
    return console.export_text()


def test_every_preset_has_a_row_and_the_table_is_sorted():
    found = survey(ONE)
    assert {row.system.name for row in found.rows} == set(PRESETS)
    tokens = [row.good[0].visual_tokens for row in found.rows]
    assert tokens == sorted(tokens)
    names = [row.system.name for row in survey(ONE, sort="name").rows]
    assert names == sorted(names)
    memory = [row.good[0].memory_bytes for row in survey(ONE, sort="memory").rows]
    assert memory == sorted(memory)


def test_videos_leave_out_what_reads_none():
    found = survey(FILM)
    assert {"qwen2.5-vl-7b", "longvu-7b", "smolvlm-2.2b"} <= {row.system.name for row in found.rows}
    assert "llava-1.5-7b" not in {row.system.name for row in found.rows}
    with pytest.raises(SaccadeError, match=r"llava-1.5-7b refuses a.mp4: this model reads no videos"):
        survey(FILM, models=["llava-1.5-7b"])


def test_a_refusal_is_a_row_beside_others_and_an_error_alone():
    thin = (Document("thin.png", (media_of(10, 6000),)),)
    found = survey(thin, models=["qwen2.5-vl-7b", "llava-1.5-7b"])
    assert [bool(row.good) for row in found.rows] == [True, False]
    assert "refused by qwen2.5-vl-7b" in lines(found)
    with pytest.raises(SaccadeError, match=r"qwen2.5-vl-7b refuses thin.png: .* 600 to 1"):
        survey(thin, models=["qwen2.5-vl-7b"])


def test_the_record_is_plain_and_whole():
    found = survey(ONE, models=["llava-uhd-144", "gemma-3-4b"], limits=FitLimits(tokens=300), on="h100")
    data = json.loads(json.dumps(record(found)))
    assert data["schema"] == SCHEMA == "saccade.plan/1"
    assert set(data) == {"schema", "setting", "limits", "documents", "models"}
    gemma, uhd = data["models"]
    assert set(gemma) == {"model", "checkpoint", "kind", "fidelity", "source", "plans", "fit", "settings"}
    plan = uhd["plans"][0]
    assert set(plan) == {
        "patches", "visual_tokens", "slots", "length", "cross_keys", "layouts", "flops", "params", "bytes", "why",
        "notes", "composed", "seconds",
    }  # fmt: skip
    vision = next(one for one in plan["composed"] if one["stage"] == "vision")
    assert vision["flops"][1] < vision["flops"][0] == plan["flops"]["vision"]
    assert "last layer" in vision["why"]
    assert gemma["plans"][0]["composed"] == []
    assert (plan["visual_tokens"], plan["slots"]) == (1008, 1014)
    assert len(plan["layouts"][0]["views"]) == 7
    assert plan["layouts"][0]["views"][0]["source"][:2] == [0, 0]
    assert plan["flops"]["total"] == sum(plan["flops"][stage] for stage in ("vision", "connector", "language"))
    assert plan["seconds"]["first_token"][0] < plan["seconds"]["first_token"][1]
    assert uhd["fit"]["options"] == {"max_slices": 1}
    assert gemma["fit"]["options"] == {}
    assert gemma["settings"]["transformers"]


def test_what_is_printed_explains_the_count():
    said = lines(survey(ONE, models=["llava-uhd-144"], limits=FitLimits(tokens=300), on="h100"))
    assert "3 across and 2 down" in said
    assert "7 × 144 = 1,008 visual tokens; with 6 markers 1,014 positions" in said
    assert "max_slices=1" in said
    assert "roofline band on NVIDIA H100" in said
    assert "eager decoding of small models takes longer" in said
    assert "unverified" in said


def test_many_documents_are_a_distribution():
    many = tuple(Document(f"{side}.png", (media_of(side, side),)) for side in (28, 280, 2800))
    said = lines(survey(many, models=["qwen2.5-vl-7b"]))
    assert "3 documents" in said
    assert " 4 " in said  # the least: 56×56 pixels
    assert "10,000" in said
    assert quantile([0, 10], 0.5) == 5


def test_pages_of_a_pdf_stand_in_one_prompt(tmp_path: Path):
    pages = [Image.new("RGB", (200, 300), "white") for _ in range(3)]
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:], resolution=72)
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    scan, picture = documents_of([tmp_path / "scan.pdf", tmp_path / "a.png"], dpi=72)
    assert (scan.kind, len(scan.media), picture.kind) == ("pages", 3, "picture")
    (row,) = survey([scan], models=["gemma-3-4b"]).rows
    assert row.good[0].visual_tokens == 3 * 256


def test_the_largest_document_is_what_must_fit():
    many = tuple(Document(str(side), (media_of(side, side),)) for side in (280, 2800))
    (row,) = survey(many, models=["qwen2.5-vl-7b"], limits=FitLimits(tokens=1000)).rows
    assert row.fit is not None
    assert row.fit.plan is not None
    assert 900 < row.fit.plan.visual_tokens <= 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"documents": ()}, "nothing to plan"),
        ({"models": []}, "no models to plan"),
        ({"models": ["qwen"]}, "unknown model 'qwen'"),
        ({"options": {"mode": "tiny"}}, "options belong to models"),
        ({"on": "h101"}, "did you mean h100"),
        ({"sort": "size"}, "sort by one of: tokens"),
        ({"limits": FitLimits(seconds=1)}, "--device"),
    ],
)
def test_wrong_questions_are_refused(arguments: dict[str, object], said: str):
    with pytest.raises(SaccadeError, match=said):
        survey(**{"documents": ONE, **arguments})  # type: ignore[arg-type]


def test_this_machine_must_be_measured_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SaccadeError, match="saccade plan --calibrate"):
        survey(ONE, models=["llava-1.5-7b"], on="here")


def test_nothing_fits_is_an_answer():
    assert not survey(ONE, models=["llava-1.5-7b"], limits=FitLimits(memory=10**9)).fits
    assert survey(ONE, models=["llava-1.5-7b"], limits=FitLimits(memory=10**11)).fits
    assert survey(ONE, models=["llava-1.5-7b"], setting=Setting(batch=2)).fits
