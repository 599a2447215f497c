"""A real Prometheus server scrapes two models, and its answers become rates.

Needs the program ``prometheus`` (a package of that name in Debian); skipped without it.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.sources import metrics_scrapes, prometheus_answer
from kvpr_opt.integrations.sources.metrics_scrapes import Scrape
from kvpr_opt.integrations.sources.protocol import Reading
from kvpr_opt.integrations.sources.request_trace import seconds

pytestmark = pytest.mark.skipif(
    not shutil.which("prometheus"),
    reason="the program prometheus is not installed (Debian has a package of that name)",
)

#: Requests a second that the stand-in serves.
RATES = {"llama": 3.0, 'qwen "3"': 0.4}

#: Of which Prometheus takes the rate, and how often it scrapes; in seconds.
WINDOW, INTERVAL = 3.0, 0.2


def exposition(moment: float) -> str:
    """What a server says at a moment: totals that grow evenly, half of them by each reason."""
    lines = []
    for model, rate in RATES.items():
        quoted = model.replace('"', '\\"')
        for reason in ("stop", "length"):
            total = 1000 + rate * moment / 2
            labels = f'model_name="{quoted}",finished_reason="{reason}"'
            stamp = round(moment * 1000)
            lines.append(f"vllm:request_success_total{{{labels}}} {total:.9g} {stamp}")
    return "\n".join(lines) + "\n"


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        start: float = self.server.start  # type: ignore[attr-defined]
        moment = round(time.time(), 3)
        # Totals since the start, at the time of now.
        text = exposition(moment - start).replace(
            f" {round((moment - start) * 1000)}\n", f" {round(moment * 1000)}\n"
        )
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the stand-in."""
    stand_in = HTTPServer(("127.0.0.1", 0), _Metrics)
    stand_in.start = round(time.time(), 3)  # type: ignore[attr-defined]
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"scrape_configs:\n- job_name: servers\n  scrape_interval: {round(INTERVAL * 1000)}ms\n"
        f"  scrape_timeout: {round(INTERVAL * 1000)}ms\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{stand_in.server_port}']}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        stand_in.shutdown()


def asked(server: str, query: str) -> str:
    """The answer of ``/api/v1/query``, or nothing while the server is not up.

    As of a second ago, when every sample of the time has arrived, however slow the machine.
    """
    asked_of = {"query": query, "time": f"{time.time() - 1:.3f}"}
    address = f"{server}/api/v1/query?{urllib.parse.urlencode(asked_of)}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        text = str(error.read().decode())
        return text if text.startswith("{") else ""
    except OSError:
        return ""


def test_answers_of_a_real_server(server: str) -> None:
    # More than the window has to be there: a rate is not extended far beyond its samples.
    counted = f"count_over_time(vllm:request_success_total[{round(WINDOW) + 1}s])"
    wanted = (WINDOW + 1) / INTERVAL - 1
    end = time.monotonic() + 60
    while time.monotonic() < end:
        text = asked(server, counted)
        samples: list[Any] = json.loads(text)["data"]["result"] if text else []
        if len(samples) == 4 and all(float(entry["value"][1]) >= wanted for entry in samples):
            break
        time.sleep(0.1)
    rate = f"rate(vllm:request_success_total[{round(WINDOW)}s])"
    answer = asked(server, f"sum by (model_name) ({rate})")
    assert prometheus_answer.recognises(answer)
    found = {d.model: d.req_rate for d in prometheus_answer.demands(answer, Reading())}
    assert set(found) == set(RATES)
    for model, served in RATES.items():
        assert found[model] is not None
        assert float(found[model] or 0) == pytest.approx(served, rel=0.01)
    # What Prometheus itself says where a query is no such list.
    for query, reason in (
        (rate, "a second series of model"),
        ("vllm:request_success_total{model_name='none'}", "data.result: empty"),
        ("vllm:request_success_total[5s]", "'matrix' is not 'vector'"),
        ("sum by (", "status: 'error': bad_data"),
        ("sum by (model_name) (rate(vllm:request_success_total[3s])) * NaN", "not a finite number"),
    ):
        text = asked(server, query)
        with pytest.raises(InputError, match=reason):
            prometheus_answer.demands(text, Reading())


def test_the_same_from_two_scrapes() -> None:
    first, second = seconds("2026-11-28 19:00:00"), seconds("2026-11-28 19:00:40")
    demands = metrics_scrapes.demands(
        Scrape(exposition(100.0), first, "one"), Scrape(exposition(140.0), second, "two")
    )
    assert {demand.model: float(demand.req_rate or 0) for demand in demands} == pytest.approx(RATES)
