"""The pages on a trade-off and on a sizing: complete, self-contained, safe, and true."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from html_pages import AWKWARD, Page, check_self_contained

import kvpr_opt as kv
from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import Certificate, verify_texts
from kvpr_opt.operate.pages import replan_page, size_page
from kvpr_opt.operate.replan import Replan

GPUS = [kv.GPU("a", 20), kv.GPU(AWKWARD, 20, node="n"), kv.GPU("idle", 20)]
MODELS = [
    kv.LLM("x", 4, pressure=6, current="a"),
    kv.LLM(f"{AWKWARD}!", 4, pressure=5, current="a"),
    kv.LLM("y", 4, pressure=3, current="a", overhead=1),
    kv.LLM("z", 4, pressure=2, current=AWKWARD),
]
FLEET = kv.Instance(GPUS, MODELS, unit="GB")


@pytest.fixture(scope="module")
def made() -> Replan:
    return kv.replan(FLEET, max_moves=3, time_limit=None)


def test_the_page_on_a_trade_off_holds_nothing_foreign(made: Replan) -> None:
    text = replan_page(made, made.rows[1], AWKWARD)
    check_self_contained(text)
    assert "alert('&amp;')" in Page(text).text


def test_each_row_is_in_the_chart_and_in_the_table(made: Replan) -> None:
    page = Page(replan_page(made, made.rows[1], "why"))
    assert [row.proved for row in made.rows] == [True] * 4
    assert page.classed("circle", "proved") == 4
    assert page.classed("circle", "open") == page.classed("line", "whisker") == 0
    assert page.classed("tr", "chosen") == 1
    for row in made.rows:
        assert row.max_kvpr is not None
        assert f"{float(row.max_kvpr):.6g}" in page.text
    assert made.elbow is not None
    where = made.elbow.budget
    assert (page.text.count("elbow, chosen") == 2) == (where == 1)


def test_a_gap_is_not_shown_as_proved(made: Replan) -> None:
    row = replace(made.rows[1], lower_bound=Fraction(1, 100), certificate=None)
    open_rows = replace(made, rows=(made.rows[0], row, *made.rows[2:]))
    page = Page(replan_page(open_rows, row, "why"))
    assert page.classed("circle", "open") == page.classed("line", "whisker") == 1
    assert "gap 9" in page.text
    assert "as low as can be" not in page.text
    assert page.downloads() == {}


def test_before_and_after_stand_side_by_side(made: Replan) -> None:
    chosen = made.rows[1]
    assert chosen.placement is not None
    page = Page(replan_page(made, chosen))
    before = {model.name: model.current[0] for model in MODELS}
    moved = {m: g for m, g in chosen.placement.assignment.items() if before[m] != g}
    changed = {before[name] for name in moved} | set(moved.values())
    drawn = page.having("data-gpu")
    for gpu in FLEET.gpus:
        assert drawn.count(gpu.name) == (2 if gpu.name in changed else 1)
    # Each model that moves is marked on both sides, and in the legend once.
    assert page.classed("rect", "moved") == 2 * len(moved) + 1
    assert page.classed("div", "pair") == len(changed)


def test_the_plan_is_there_step_by_step(made: Replan) -> None:
    page = Page(replan_page(made, made.rows[1]))
    assert page.classed("tr", "unit") == 1
    text = page.text
    assert text.index("load") < text.index("health gate") < text.index("switch")
    assert "Every model serves all the time" in text
    # Of the target GPU once the copy is there: what was there, and 4 or 5 more.
    assert made.rows[1].placement is not None
    step = made.plan(made.rows[1]).steps[0]
    model = FLEET.models[FLEET.model_index[step.models[0]]]
    there = 4 if step.gpus[0] == AWKWARD else 0
    assert f"{there + float(model.footprint):g}/20" in text


def test_the_claim_in_the_page_is_accepted_by_the_checker(made: Replan) -> None:
    (name, text), *others = Page(replan_page(made, made.rows[2])).downloads().items()
    assert (name, others) == ("row.json", [])
    assert verify_texts(canonical_fleet(FLEET), text).exit_code == 0
    assert json.loads(text)["budget"] == "2"


def test_without_a_row_there_is_still_the_trade_off(made: Replan) -> None:
    text = Page(replan_page(made, None, "no row is within 1%")).text
    assert "no row is within 1%" in text
    assert "What each budget buys" in text
    assert "Before and after" not in text


def test_models_that_do_not_fit_where_they_run_have_no_order_of_steps() -> None:
    fleet = kv.Instance([kv.GPU("a", 10), kv.GPU("b", 10)], [*MODELS[:2], kv.LLM("big", 6, 1, 1)])
    made = kv.replan(
        fleet, {"x": "a", f"{AWKWARD}!": "a", "big": "a"}, max_moves=2, time_limit=None
    )
    assert made.rows[0].placement is None
    text = Page(replan_page(made, made.rows[-1])).text
    assert "There is no order of steps" in text
    assert "highest KVPR now none: GPU 'a' holds 14 of weights" in text
    assert "proved that there is none" in text


def test_a_model_that_stops_is_named() -> None:
    fleet = kv.Instance(
        [kv.GPU("a", 10), kv.GPU("b", 11)],
        [kv.LLM("x", 8, pressure=1), kv.LLM("y", 9, pressure=8)],
    )
    made = kv.replan(fleet, {"x": "b", "y": "a"}, max_moves=2, time_limit=None)
    chosen = made.rows[2]
    assert chosen.cost == 2
    page = Page(replan_page(made, chosen))
    assert "must stop first" in page.text
    assert page.classed("tr", "stop") == 1


def test_the_page_on_a_sizing_shows_the_placement_and_the_proof() -> None:
    served = [kv.LLM(f"{AWKWARD}{i}", 6, pressure=2, kv_floor=1) for i in range(4)]
    fleet = kv.Instance([kv.GPU("g", 17)], served, unit="GB")
    made = kv.size(fleet, 1, time_limit=None)
    assert made.gpus == 4
    text = size_page(fleet, made)
    check_self_contained(text)
    page = Page(text)
    assert len(page.having("data-gpu")) == 4
    assert "3 do not do" in page.text
    files = page.downloads()
    report = verify_texts(files["fewer.json"], files["certificate.json"])
    assert report.exit_code == 0
    # It is the claim that is needed: on three GPUs everything is above the target.
    bounds = Certificate.from_json(files["certificate.json"]).bounds
    assert max(bound.value for bound in bounds) > made.target
    assert len(json.loads(files["fewer.json"])["gpus"]) == 3


def test_the_page_says_so_where_no_number_of_gpus_does() -> None:
    fleet = kv.Instance([kv.GPU("g", 16)], [kv.LLM("wide", 15, pressure=9)])
    page = Page(size_page(fleet, kv.size(fleet, 1)))
    assert "no number of them does" in page.text
    assert "Even alone on a GPU like 'g', the target is exceeded by 'wide'." in page.text
