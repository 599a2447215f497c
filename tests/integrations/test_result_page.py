"""The page on a result: complete, self-contained, safe, and true."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from html_pages import AWKWARD, Page, check_self_contained

import kvpr_opt as kv
from kvpr_opt.certificates.certificate import Certificate
from kvpr_opt.integrations.result_page import result_page
from kvpr_opt.integrations.result_page.trajectory import drawn_trajectory
from kvpr_opt.result import Result, Status


def fleet() -> kv.Instance:
    gpus = [
        kv.GPU("a", 80, 2, node="n0"),
        kv.GPU(AWKWARD, 80, node="n1"),
        kv.GPU("empty", 10),
    ]
    models = [
        kv.LLM("llama", 16, 3, 1, overhead=3, kv_floor=1),
        kv.LLM(f"{AWKWARD}!", 30, 2, 1, overhead=3, kv_floor=1),
        kv.LLM("cold", 30, pressure=0, overhead=3, kv_floor=1),
    ]
    return kv.Instance(gpus, models, unit="GB")


@pytest.fixture(scope="module")
def result() -> Result:
    return kv.solve(fleet(), threads=1)


def test_every_gpu_is_drawn_once_and_to_scale(result: Result) -> None:
    page = Page(result_page(result))
    assert page.having("data-gpu") == ["a", AWKWARD, "empty"]
    # The parts of each bar, in the order of the GPUs: each ends where the next begins.
    bars: list[list[tuple[float, float]]] = []
    in_bar = False
    for tag, attributes in page.elements:
        if tag == "svg":
            in_bar = attributes.get("class") == "bar"
            bars += [[]] * in_bar
        elif tag == "rect" and in_bar:
            left, width = float(attributes["x"]), float(attributes["width"])
            bars[-1] = [*bars[-1], (left, left + width)]
    assert len(bars) == 3
    for bar in bars:
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(bar))
    widths = [bar[-1][1] for bar in bars]
    assert widths == pytest.approx([1000, 1000, 125], abs=3)


def test_nothing_comes_from_elsewhere_and_names_stay_text(result: Result) -> None:
    text = result_page(result)
    check_self_contained(text)
    assert "alert('&amp;')" in Page(text).text


def test_the_certificate_in_the_page_is_the_one_of_the_run(result: Result) -> None:
    (name, text), *others = Page(result_page(result)).downloads().items()
    assert name == "certificate.json"
    assert not others
    assert kv.verify(fleet(), Certificate.from_json(text)).exit_code == 0


def test_what_is_said_is_what_was_found(result: Result) -> None:
    text = Page(result_page(result)).text
    assert result.status is Status.OPTIMAL
    assert result.max_kvpr is not None
    assert f"{float(result.max_kvpr):.6g} = " in text
    assert "certified: anyone can repeat the proof" in text
    assert "Why nothing is better" in text
    assert "No placement has a max KVPR below" in text
    open_result = replace(result, status=Status.FEASIBLE, certificate=None, lower_bound=None)
    text = Page(result_page(open_result)).text
    assert "no placement is below unknown" in text
    assert "Nothing was proved in this run" in text
    assert "Why nothing is better" not in text


def test_no_placement_and_no_models() -> None:
    infeasible = kv.solve(kv.Instance([kv.GPU("a", 10)], [kv.LLM("m", 11, pressure=1)]), threads=1)
    text = Page(result_page(infeasible)).text
    assert "Why there is no placement" in text
    assert infeasible.message in text
    assert "The placement" not in text
    nothing = kv.solve(kv.Instance([kv.GPU("a", 10)], []), threads=1)
    assert "no model" in Page(result_page(nothing)).text


def test_constraints_are_listed_with_what_they_touch() -> None:
    gpus = [kv.GPU("a", 80), kv.GPU("b", 80)]
    models = [
        kv.LLM("x", 30, pressure=3, apart="g"),
        kv.LLM("y", 10, pressure=1, apart="g", pin="b"),
    ]
    instance = kv.Instance(gpus, models)
    placement = kv.Placement(instance, [0, 1])
    solved = kv.solve(fleet(), threads=1)
    result = replace(solved, instance=instance, placement=placement, certificate=None)
    text = Page(result_page(result)).text
    assert "models constraint placed on on a GPU of the highest KVPR" in text
    assert re.search(r"y is pinned to 'b' b x, y apart: group 'g' a, b yes", text), text


def test_the_trajectory() -> None:
    assert drawn_trajectory([], 1.0) is None
    assert drawn_trajectory([{"seconds": 0.1, "max_kvpr": None, "lower_bound": None}], 1) is None
    events = [
        {"seconds": 0.001, "max_kvpr": None, "lower_bound": 0.5},
        {"seconds": 0.01, "max_kvpr": 0.9, "lower_bound": 0.5},
        {"seconds": 0.1, "max_kvpr": 0.7, "lower_bound": 0.7},
    ]
    chart = drawn_trajectory(events, 0.2)
    assert chart is not None
    placement, lower = re.findall(r'd="(M[^"]+)"', chart)[:2]
    assert placement.count("V") == 1
    assert lower.count("V") == 2
    last = [path.split("V")[-1].split("H")[0] for path in (placement, lower)]
    assert last[0] == last[1]  # they meet
