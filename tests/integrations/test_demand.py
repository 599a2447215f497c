"""Demand from Prometheus, from two scrapes, from tables and from traces."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.kv_cache import grouped_query
from kvpr_opt.integrations.demand import merged, resident_kv
from kvpr_opt.integrations.records import Demand, measured
from kvpr_opt.integrations.sources import (
    metrics_scrapes,
    prometheus_answer,
    rates_table,
    request_trace,
)
from kvpr_opt.integrations.sources.metrics_scrapes import Scrape
from kvpr_opt.integrations.sources.protocol import Reading


def answer(*samples: tuple[dict[str, str], str], **changes: Any) -> str:
    result = [{"metric": labels, "value": [1795885934.963, value]} for labels, value in samples]
    data = {"resultType": "vector", "result": result, **changes.pop("data", {})}
    return json.dumps({"status": "success", "data": data, **changes})


def of(model: str) -> dict[str, str]:
    return {"model_name": model}


def test_an_answer_of_prometheus() -> None:
    text = answer((of("a"), "1.2900000000000001"), (of("b"), "0"))
    assert prometheus_answer.recognises(text)
    a, b = prometheus_answer.demands(text, Reading())
    assert (a.model, a.req_rate) == ("a", Fraction(129, 100))
    assert (b.model, b.req_rate) == ("b", 0)
    (late,) = prometheus_answer.demands(answer((of("a"), "0.5")), Reading("latency"))
    assert (late.req_rate, late.latency) == (None, Fraction(1, 2))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}),
            "status: 'error': bad_data parse error",
        ),
        (answer(), "data.result: empty"),
        (answer(data={"resultType": "matrix"}), "data.resultType: 'matrix' is not 'vector'"),
        (answer((of("a"), "NaN")), r"data.result\[0\].value of a: 'NaN' is not a finite number"),
        (answer((of("a"), "+Inf")), "is not a finite number"),
        (answer((of("a"), "-1")), "'-1' is below 0"),
        (
            answer((of("a"), "1"), ({"model_name": "a", "engine": "1"}, "2")),
            r"data.result\[1\]: a second series of model 'a'; sum them",
        ),
        (answer(({"instance": "x"}, "1")), "no label model_name or model"),
        (
            answer(({"model_name": "a", "__name__": "vllm:request_success_total"}, "91")),
            "counts since the server started; ask for rate",
        ),
        (
            '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"model":'
            '"a"}, "value": [1]}]}}',
            "value: not a time and a number",
        ),
    ],
)
def test_answers_that_are_no_rates(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        prometheus_answer.demands(text, Reading())


# -- scrapes -------------------------------------------------------------------------


def vllm(model: str, requests: int, prompt: int, output: int, seconds: float) -> str:
    labels = f'engine="0",model_name="{model}"'
    return (
        "# HELP vllm:request_success_total Count of successfully processed requests.\n"
        "# TYPE vllm:request_success_total counter\n"
        f'vllm:request_success_total{{{labels},finished_reason="stop"}} {requests - 1}.0\n'
        f'vllm:request_success_total{{{labels},finished_reason="length"}} 1.0\n'
        f"vllm:request_success_created{{{labels}}} 1.7958859e+09\n"
        f"vllm:prompt_tokens_total{{{labels}}} {prompt}.0\n"
        f"vllm:generation_tokens_total{{{labels}}} {output:.3e}\n"
        f"vllm:e2e_request_latency_seconds_sum{{{labels}}} {seconds}\n"
        f"vllm:e2e_request_latency_seconds_count{{{labels}}} {requests}.0\n"
        f"vllm:kv_cache_usage_perc{{{labels}}} NaN\n"
        'python_info{implementation="CPython",version="3.12 {x}"} 1.0\n'
    )


def scrapes(first: str, second: str, times: tuple[int, int] = (100, 400)) -> tuple[Demand, ...]:
    return metrics_scrapes.demands(
        Scrape(first, Fraction(times[0]), "one"), Scrape(second, Fraction(times[1]), "two")
    )


def test_two_scrapes_of_vllm() -> None:
    first = vllm("a", 10, 1000, 2000, 30.0) + vllm("b", 5, 5, 5, 1.0)
    second = vllm("a", 400, 40000, 80000, 1200.0) + vllm("b", 5, 5, 5, 1.0)
    a, b = scrapes(first, second)
    assert a.req_rate == Fraction(390, 300)
    assert (a.prompt_tokens, a.output_tokens) == (100, 200)
    assert a.latency == 3
    assert a.origin == "vLLM: 390 requests in 300 s"
    assert (b.req_rate, b.latency) == (0, None)


def test_a_model_that_had_no_request_before_starts_at_0() -> None:
    (a,) = scrapes("\n", vllm("a", 3, 3, 3, 1.0))
    assert a.req_rate == Fraction(1, 100)


def test_two_scrapes_of_sglang() -> None:
    def text(requests: int) -> str:
        return (
            f'sglang:num_requests_total{{model_name="x\\"y"}} {requests}.0 1795885934963\n'
            f'sglang:prompt_tokens_total{{model_name="x\\"y"}} {50 * requests}.0\n'
        )

    (demand,) = scrapes(text(1), text(4))
    assert (demand.model, demand.req_rate, demand.prompt_tokens) == ('x"y', Fraction(1, 100), 50)


@pytest.mark.parametrize(
    ("first", "second", "times", "reason"),
    [
        (vllm("a", 9, 9, 9, 9), vllm("a", 4, 9, 9, 9), (0, 9), "two: .*started anew in between"),
        (vllm("a", 9, 9, 9, 9), "\n", (0, 9), "two: .*started anew in between"),
        ("\n", vllm("a", 9, 9, 9, 9), (9, 9), "two: its time is not after that of one: 0 s"),
        ("\n", vllm("a", 9, 9, 9, 9), (9, 0), "two: its time is not after that of one: -9 s"),
        ("\n", 'up{job="x"} 1\n', (0, 9), "two: neither vllm:request_success_total nor sglang"),
        ("\n", "<html>", (0, 9), "two: line 1: '<html>' is not a sample"),
        (
            "\n",
            'vllm:request_success_total{model_name="a"} NaN\n',
            (0, 9),
            "two: line 1: 'NaN' is not a finite total",
        ),
        (
            "\n",
            'vllm:request_success_total{model_name="a"} 1\n' * 2,
            (0, 9),
            "two: line 2: a second sample of one series",
        ),
    ],
)
def test_scrapes_that_are_no_rates(
    first: str, second: str, times: tuple[int, int], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        scrapes(first, second, times)


# -- tables and traces ---------------------------------------------------------------


def test_a_table_of_rates() -> None:
    text = "model,req_rate,prompt_tokens,note\na,1.5,100,x\nb,7/3,,\n"
    assert rates_table.recognises(text)
    assert not request_trace.recognises(text)
    a, b = rates_table.demands(text, Reading())
    assert (a.req_rate, a.prompt_tokens) == (Fraction(3, 2), 100)
    assert (b.req_rate, b.prompt_tokens) == (Fraction(7, 3), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model,req_rate\n", "no row below the header"),
        ("model,req_rate\na,\n", "row 2: a row needs model and req_rate"),
        ("model,req_rate\na,1\na,2\n", "row 3: a second row of model 'a'"),
        ("model,req_rate\na,nan\n", "row 2: req_rate: 'nan' is not a finite number"),
        ("model,req_rate\na,-1\n", "row 2: req_rate: '-1' is below 0"),
    ],
)
def test_tables_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        rates_table.demands(text, Reading())


TRACE = """TIMESTAMP,model,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,a,100,10
2023-11-16 18:17:04.9799600,b,5,5
2023-11-16 18:17:05.4799600,a,300,30
2023-11-16 18:17:13.9799600,a,200,20
"""


def test_a_trace_by_its_mean_and_by_its_peak() -> None:
    assert request_trace.recognises(TRACE)
    a, b = request_trace.demands(TRACE, Reading())
    assert a.req_rate == Fraction(3, 10)
    assert (a.prompt_tokens, a.output_tokens) == (200, 20)
    assert b.req_rate == Fraction(1, 10)
    a, b = request_trace.demands(TRACE, Reading(peak_window=Fraction(2)))
    assert (a.req_rate, b.req_rate) == (1, Fraction(1, 2))
    assert a.origin == "trace: 3 requests, peak of 2 s"


def test_times() -> None:
    assert request_trace.seconds("1.25") == Fraction(5, 4)
    assert request_trace.seconds("1970-01-01 00:01:00") == 60
    assert request_trace.seconds("1970-01-01T01:00:00.5+01:00") == Fraction(1, 2)
    assert request_trace.seconds("2023-11-16 18:17:03.9799600") == Fraction("1700158623.97996")


@given(
    st.lists(st.integers(0, 40).map(Fraction), min_size=1, max_size=12),
    st.integers(1, 20).map(Fraction),
)
def test_the_peak_is_that_of_all_windows(times: list[Fraction], window: Fraction) -> None:
    every = max(sum(start <= time < start + window for time in times) for start in times)
    assert request_trace.most_within(times, window) == every


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("time,model\n1,a\n", "at least two requests at different times"),
        ("time,model\n1,a\n1,b\n", "at least two requests at different times"),
        ("time,tokens\n1,3\n", "row 1: no column 'model'"),
        ("time,model\n1,\n", "row 2: no model"),
        ("time,model\nnoon,a\n", "row 2: time: 'noon' is not a time"),
        ("time,model\n2023-13-16 18:17:03,a\n", "row 2: time: .* is not a time"),
        ("time,model,output_tokens\n1,a,x\n", "row 2: output_tokens: 'x' is not a finite number"),
    ],
)
def test_traces_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        request_trace.demands(text, Reading())


# -- together ------------------------------------------------------------------------


def test_sources_that_say_different_things_of_a_model_go_together() -> None:
    rate = Demand("a", "r", req_rate=Fraction(1))
    latency = Demand("a", "l", latency=Fraction(2))
    both = merged([("x", rate), ("y", latency)])["a"]
    assert (both.req_rate, both.latency, both.origin) == (1, 2, "r; l")
    with pytest.raises(InputError, match="y: req_rate of model 'a' is given twice"):
        merged([("x", rate), ("y", rate)])


def test_resident_memory_by_littles_law() -> None:
    cache = grouped_query(2, 1, 1)  # 8 bytes a token
    demand = Demand("a", "", *map(Fraction, (3, 100, 50, 2)))
    assert resident_kv(demand, cache) == 3 * 2 * 125 * 8
    assert resident_kv(Demand("a", "", req_rate=Fraction(0)), cache) == 0
    with pytest.raises(InputError, match="no latency for model 'a', which --demand kv needs"):
        resident_kv(Demand("a", "", req_rate=Fraction(1)), cache)


@given(st.fractions(min_value=0, max_value=10**12))
def test_measured_numbers_keep_six_digits(number: Fraction) -> None:
    rounded = measured(number)
    assert abs(rounded - number) * 2 * 10**5 <= number
    assert measured(rounded) == rounded
