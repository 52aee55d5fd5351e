"""Whole paths: what their specs add up, and which parts do not go together."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from saccade.architectures import COMPOSITIONS
from saccade.backends.random_init import build
from saccade.backends.store import TYPES
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.size import Size
from saccade.fusion.cross import VisibleKeys
from saccade.runtime.reader import Reader
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec
from tests.parts import CLIP, counted

SPECS = {f"{name}-{preset}": make for name in COMPOSITIONS for preset, make in COMPOSITIONS[name].presets.items()}


def spec() -> ReaderSpec:
    return COMPOSITIONS["llava"].presets["tiny"]()


def connected(reader: Reader, patches: torch.Tensor, grid: Grid, shape: tuple[int, ...]) -> None:
    """The connector, with as many words of a prompt as its spec counts, or the view's pixels, where it takes them."""
    spec = reader.spec.connector
    if isinstance(spec, FovealSpec):
        reader.connector.aim(patches, grid, torch.zeros(1, spec.text, dtype=torch.long))
        reader.connector(patches, grid)
    elif reader.spec.connector.reads_prompt:
        reader.connector.instructed(patches, torch.zeros(1, spec.text, dtype=torch.long))
    else:
        reader.connector(patches, grid, *((torch.empty(shape),) if reader.spec.connector.reads_pixels else ()))


@pytest.mark.parametrize("name", COMPOSITIONS)
@pytest.mark.parametrize("size", [(28, 28), (90, 41)], ids=str)
def test_a_plan_is_what_torch_counts_stage_by_stage(name, size):
    made = COMPOSITIONS[name].presets["tiny"]()
    plan = made.plan(Size(*size), 9)
    views, grids = plan.layout.views, made.grids(plan.layout)
    pixels = [(1, 3, view.size.height, view.size.width) for view in views]

    def language(reader: Reader) -> None:
        for part in reader.language.modules():
            if isinstance(part, PreTrainedModel) and made.language.model_type.startswith("deepseek"):
                part.set_experts_implementation("batched_mm")  # grouped products are not counted in single precision
        length = plan.length
        marks, places = torch.ones(1, 1, length, length).bool(), torch.zeros(1, length).long()
        before = None
        if reader.cross is not None:
            visual = torch.empty(1, plan.cross_keys, reader.cross.spec.source)
            before = reader.cross.before(
                [block.project(visual) for block in reader.cross.each], VisibleKeys(None, None, None)
            )
        reader.language(torch.empty(1, length, made.language.width), marks, places, None, 1, before)

    def tower(reader: Reader) -> None:
        for shape in pixels:
            reader.tower(torch.empty(shape))

    def connector(reader: Reader) -> None:
        for grid, shape in zip(grids, pixels, strict=True):
            patches = torch.empty(1, grid.tokens + made.tower.extra, made.tower.width)
            connected(reader, patches, grid, shape)

    stages = {"vision": tower, "connector": connector, "language": language}
    for stage, run in stages.items():
        found = counted(lambda: build(name), run)
        assert getattr(plan, stage).flops == found.flops
        assert plan.params == found.params
    assert plan.flops == sum(getattr(plan, stage).flops for stage in stages)


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_survives_being_written_down(name):
    made = SPECS[name]()
    data = json.loads(json.dumps(to_dict(made, TYPES)))
    assert from_dict(data, TYPES) == made


def test_the_published_counts():
    llava, uhd = SPECS["llava-1.5-7b"](), SPECS["llava-uhd-uhd-64-13b"]()
    smolvlm = SPECS["idefics-smolvlm-256m"]()
    assert llava.plan(Size(640, 480), 0).visual_tokens == 576
    assert uhd.plan(Size(1008, 672), 0).visual_tokens == 64 * 7
    for size, tokens, slots in [((224, 224), 1088, 1127), ((1920, 1080), 832, 862), ((3000, 300), 320, 332)]:
        plan = smolvlm.plan(Size(*size), 0)
        assert (plan.visual_tokens, plan.slots) == (tokens, slots)
    assert round(llava.plan(Size(336, 336), 0).params / 1e9, 2) == 7.05
    assert round(smolvlm.plan(Size(336, 336), 0).params / 1e6) == 256


def test_weights_count_once_however_many_views():
    uhd = SPECS["llava-uhd-tiny"]()
    one, many = uhd.plan(Size(28, 28), 0), uhd.plan(Size(90, 41), 0)
    assert len(many.layout.views) > 1
    assert one.params == many.params
    assert many.vision.flops > one.vision.flops
    assert isinstance(many.vision, Cost)


def test_a_class_token_has_looked_at_its_whole_view():
    tower = HubTowerSpec(config=json.dumps(CLIP), layers=(-2,), keep_class=True)
    made = replace(spec(), tower=tower, connector=MlpSpec(width_in=16, width_out=16, extra=1))
    layout = made.views.layout(Size(56, 56))
    ledger = made.ledger(layout, [made.connector.groups(grid) for grid in made.grids(layout)])
    assert len(ledger) == 17
    assert ledger.exact == (False, *[True] * 16)
    assert ledger.area(0) == pytest.approx(56 * 56)
    assert ledger.boxes(1)[0].sides == pytest.approx((0, 0, 14, 14))
    assert ledger.boxes(16)[0].sides == pytest.approx((42, 42, 56, 56))


def test_refuses_parts_that_do_not_go_together():
    made = spec()
    with pytest.raises(SaccadeError, match="puts out 8 channels, the language model takes 16; make them equal"):
        replace(made, connector=MlpSpec(width_in=16, width_out=8))
    with pytest.raises(SaccadeError, match="puts out 16 channels, the connector takes 8; make them equal"):
        replace(made, connector=MlpSpec(width_in=8, width_out=16))
    with pytest.raises(SaccadeError, match="0 tokens beside its patches, the connector takes 1"):
        replace(made, connector=MlpSpec(width_in=16, width_out=16, extra=1))
    kept = HubTowerSpec(config=json.dumps(CLIP), keep_class=True)
    with pytest.raises(SaccadeError, match="1 tokens beside its patches, the connector takes 0; drop the class token"):
        replace(made, tower=kept, connector=PoolSpec(width_in=16, width_out=16, rows=2, cols=2))


@pytest.mark.parametrize(
    "template", ["{question}", "<image>", "<image><image>{question}", "<image>{question}{question}"]
)
def test_refuses_templates_without_one_picture_and_one_question(template):
    with pytest.raises(SaccadeError, match="once each, got"):
        replace(spec(), template=template)


def test_refuses_templates_that_end_in_the_picture():
    with pytest.raises(SaccadeError, match="a template ends in text"):
        replace(spec(), template="{question}<image>")
