"""A package from outside goes through every verb, with no edit in saccade."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.outside.serving import answers
from tests.outside.site import install, python, saccade_command

TOY = Path(__file__).parent / "toy"
TRAIN = """
import saccade
from saccade.core.records.recipe import to_dict
from saccade.core.size import Size
from saccade.specs.reader import PARTS
from toy.largest import LargestSpec

spec = LargestSpec(width_in=128, width_out=128, side=4)
made = saccade.train_connector(spec, steps=4, pictures=12, batch=4)
saccade.save_pretrained(made, "mine")
again = saccade.load("mine")
assert again.spec == made.spec and again.spec.connector == spec
assert all(one.equal(other) for one, other in zip(made.parameters(), again.parameters(), strict=True))
assert to_dict(spec, PARTS) == {"kind": "toy/largest", "width_in": 128, "width_out": 128, "side": 4}
print(saccade.load("mine").spec.plan(Size(320, 240), 8).visual_tokens)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    install(TOY, place)
    return place


@pytest.fixture(scope="module")
def folder(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a model with the toy's connector was trained for a few steps and saved, and a picture lies."""
    place = tmp_path_factory.mktemp("work")
    Image.new("RGB", (320, 240), "white").save(place / "photo.png")
    done = python(["-c", TRAIN], site, place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "16"
    return place


def test_a_trained_connector_is_saved_under_its_packages_name(folder: Path):
    written = json.loads((folder / "mine" / "saccade.json").read_text())
    assert written["spec"]["connector"] == {"kind": "toy/largest", "width_in": 128, "width_out": 128, "side": 4}


def test_a_checkpoint_without_its_package_is_refused_by_name(folder: Path):
    done = python(
        ["-m", "saccade", "ask", "photo.png", "What color is the background?", "--model", "mine"], None, folder
    )
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert "part 'toy/largest' needs the package toy, which is not installed; if you trust it: pip install toy" in told


def test_it_is_asked_by_a_policy_of_the_package_and_drawn(folder: Path, site: Path):
    arguments = ["photo.png", "What color is the background?", "--model", "mine", "--policy", "toy/middle"]
    told = saccade_command(["ask", *arguments, "--set", "share=0.5", "--show", "looks.png", "--json"], site, folder)
    found = json.loads(told)
    assert found["policy"] == "toy/middle"
    assert found["boxes"] == [[80.0, 60.0, 240.0, 180.0]]
    assert found["visual_tokens"] == 16
    assert (folder / "looks.png").stat().st_size > 1000


def test_a_preset_of_the_package_is_planned(folder: Path, site: Path):
    told = saccade_command(["plan", "photo.png", "--models", "toy/small", "--json"], site, folder)
    assert "toy/small" in told
    assert '"visual_tokens": 256' in told


def test_a_backend_of_the_package_is_asked(folder: Path, site: Path):
    told = saccade_command(["ask", "photo.png", "What?", "--model", "toy/guess:blue", "--json"], site, folder)
    found = json.loads(told)
    assert (found["model"], found["answer"]) == ("guess", "blue")


def test_a_model_with_the_connector_and_a_backend_are_served(folder: Path, site: Path):
    assert answers(["serve", "mine"], site, folder)
    assert answers(["serve", "toy/guess"], site, folder) == "white"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["ask", "photo.png", "What?", "--policy", "toy/midle"],
            "unknown policy of toy 1.0 'toy/midle'; did you mean toy/middle?",
        ),
        (["ask", "photo.png", "What?", "--policy", "tony/middle"], "needs the package tony, which is not installed"),
    ],
)
def test_refusals_on_the_command_line(folder: Path, site: Path, arguments: list[str], message: str):
    done = python(["-m", "saccade", *arguments], site, folder)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_everything_of_the_package_is_compared(folder: Path, site: Path):
    """Its benchmark, metric, policy, backend, and a model with its connector."""
    arguments = ["--data", "toy/colours", "--models", "mine,toy/guess:blue", "--policies", "toy/middle"]
    told = saccade_command(
        ["compare", *arguments, "--metric", "toy/first-letter", "--out", "report", "--json"], site, folder
    )
    found = json.loads(told)
    assert found["exam"]["name"] == "toy-colours/1"
    assert found["metric"] == "toy/first-letter"
    rows = {(row["reader"], row["policy"], row["budget"]): row for row in found["rows"]}
    assert {key for key in rows if key[0] == "mine"} == {
        ("mine", "once", None), ("mine", "toy/middle", None),
        *(("mine", rule, budget) for rule in ("resize", "random", "uniform") for budget in (1, 4)),
    }  # fmt: skip
    assert {row["gist"]["n"] for row in rows.values()} == {4}
    assert rows["toy/guess:blue", "once", None]["gist"]["accuracy"] == 0.25
    assert (folder / "report" / "report.html").stat().st_size > 1000
    assert len((folder / "report" / "answers.jsonl").read_text().splitlines()) > 4 * len(rows) - 4


OBJECTS = """
import saccade
from toy.colours import Colours
from toy.first_letter import first_letter
from toy.guess import Guess
from toy.middle import Middle

found = saccade.compare(
    models=[saccade.load("mine"), Guess("red")], policies=[Middle(share=0.5)], metric=first_letter, data=Colours()
)
for row in found.results.rows:
    print(row.reader, row.policy, row.visual_tokens, row.gist.n, row.gist.accuracy)
"""


def test_objects_are_compared_in_python(folder: Path, site: Path):
    done = python(["-c", OBJECTS], site, folder)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["guess", "once", "0", "4", "0.25"] in [[*row[:2], row[2].removesuffix(".0"), *row[3:]] for row in rows]
    assert {row[1] for row in rows} >= {"once", "middle", "resize", "random", "uniform"}
    assert all(row[3] == "4" for row in rows)
