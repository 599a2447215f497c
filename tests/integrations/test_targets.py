"""Each target writes down what was planned, and its own tool or schema accepts it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from launch_plans import AWKWARD, device, needs, plans, small_plan
from target_readers import READERS

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.launch import Launch, Server, launch
from kvpr_opt.integrations.targets import template
from kvpr_opt.integrations.targets.common import slugs
from kvpr_opt.integrations.targets.protocol import Target
from kvpr_opt.integrations.targets.registry import TARGETS, settings_of

SCHEMAS = Path(__file__).parent / "schemas"
EVERY: dict[str, Target] = {**TARGETS, template.NAME: template}


def written(target: Target, plan: Launch, *given: str) -> dict[str, str]:
    return target.files(plan, settings_of(target, given))


# -- every target --------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_target_keeps_the_rules_of_all(name: str) -> None:
    target = EVERY[name]
    assert name == target.NAME
    files = written(target, small_plan())
    assert files == written(target, small_plan())
    for file, text in files.items():
        assert re.fullmatch(r"[a-z0-9.-]+", file)
        assert text.endswith("\n")
        if not file.endswith(".json"):
            head = text.removeprefix("#!/bin/sh\n")
            assert head.startswith(
                f"# For {target.STACK}. Nothing has been started.\n# Fleet 0123."
            )
    together = "".join(files.values())
    for server in small_plan().servers:
        assert server.name in together
    for key, setting in target.SETTINGS.items():
        assert setting.default
        assert setting.meaning
        assert key.isidentifier()


@pytest.mark.parametrize("name", EVERY)
def test_a_line_break_in_a_name_never_gets_into_a_file(name: str) -> None:
    plan = small_plan()
    servers = tuple(
        replace(server, needs=replace(server.needs, name=f"{server.name}\nx", model="a\nb"))
        for server in plan.servers
    )
    broken = replace(plan, servers=servers)
    if name == "prism":  # JSON has an escape for it
        assert "a\\nb" in written(EVERY[name], broken)["prism.json"]
    else:
        with pytest.raises(InputError, match="cannot be printed"):
            written(EVERY[name], broken)


@pytest.mark.parametrize("name", READERS)
@given(plan=plans(names=AWKWARD))
@settings(max_examples=15, deadline=None)
def test_what_is_read_back_is_what_was_planned(name: str, plan: Launch) -> None:
    target = TARGETS[name]
    if name == "llama-swap" and any("${" in server.name for server in plan.servers):
        with pytest.raises(InputError, match="llama-swap would replace or strip a part"):
            written(target, plan)
        return
    files = written(target, plan)
    read = [server for group in READERS[name](files).values() for server in group]
    assert len(read) == len(plan.servers)
    by_name = {called(name, plan, server): server for server in plan.servers}
    left = list(plan.servers)
    for found in read:
        if name == "prism":
            server = next(s for s in left if matches_in_prism(s, found.model, found.gpus))
            left.remove(server)
        else:
            server = by_name.pop(found.name)
        assert found.model == server.needs.model
        assert found.path == server.needs.path
        assert found.shards == len(server.devices) == len(found.gpus)
        key = "uuid" if name == "kubernetes" else "number"
        assert found.gpus == tuple(str(getattr(gpu, key)) for gpu in server.devices)
        if found.kv_cache is not None:
            slack = (1 << 30) // 1000 + 1 if name == "prism" else 0
            assert server.kv_cache - slack <= found.kv_cache <= server.kv_cache
        if found.share is not None:
            taken = server.needs.weights + server.kv_cache
            assert found.share * float(server.devices[0].memory) <= float(taken) or (
                found.share == 0.0001
            )
        if name not in ("prism",):
            assert found.max_tokens == server.needs.max_tokens
        if name not in ("prism", "kvcached"):
            wanted = {
                called(name, plan, other) for other in plan.servers if other.name in server.after
            }
            assert wanted <= set(found.after)
            if name in ("systemd", "compose", "kubernetes"):
                assert wanted == set(found.after)
    ports = [(file, s.port) for file, group in READERS[name](files).items() for s in group]
    if name not in ("prism", "kubernetes"):
        assert len(set(ports)) == len(ports)


def called(target: str, plan: Launch, server: Server) -> str:
    """The name of a server in the files of a target."""
    return slugs(plan)[server.name] if target in ("compose", "kubernetes") else server.name


def matches_in_prism(server: Server, model: str, gpus: tuple[str, ...]) -> bool:
    return server.needs.model == model and gpus == tuple(str(gpu.number) for gpu in server.devices)


def test_several_machines_have_a_file_each() -> None:
    devices = [device(0, node="Node A"), device(0, node="b")]
    plan = launch(devices, [needs("x", (0,), 9, 1), needs("y", (1,), 9, 1)])
    assert sorted(written(TARGETS["vllm"], plan)) == ["launch-b.sh", "launch-node-a.sh"]
    assert sorted(written(TARGETS["systemd"], plan)) == [
        "kvpr-b.target",
        "kvpr-node-a.target",
        "kvpr-x.service",
        "kvpr-y.service",
    ]
    assert sorted(written(TARGETS["kubernetes"], plan)) == ["kvpr.yaml"]


def test_gpus_without_a_number_are_called_by_uuid_and_without_both_refused() -> None:
    gpu = replace(device(0), number=None)
    plan = launch([gpu], [needs("x", (0,), 9, 1)])
    assert "CUDA_VISIBLE_DEVICES=GPU-None-0" in written(TARGETS["vllm"], plan)["launch.sh"]
    with pytest.raises(InputError, match="has no index in the fleet, which Prism needs"):
        written(TARGETS["prism"], plan)
    neither = launch([replace(gpu, uuid=None)], [needs("x", (0,), 9, 1)])
    with pytest.raises(InputError, match="has neither index nor uuid in the fleet"):
        written(TARGETS["vllm"], neither)
    with pytest.raises(InputError, match="has no uuid in the fleet, by which a claim selects it"):
        written(TARGETS["kubernetes"], neither)


@pytest.mark.parametrize("name", ["vllm", "systemd", "compose", "kubernetes"])
@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("***", "x", "cannot be the name of a service"), ("a b", "a.b", "both be the service 'a-b'")],
)
def test_names_that_are_no_service_names(name: str, first: str, second: str, reason: str) -> None:
    plan = launch([device(0)], [needs(first, (0,), 9, 1), needs(second, (0,), 9, 1)])
    with pytest.raises(InputError, match=reason):
        written(TARGETS[name], plan)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["prot=1"], r"--set: vllm has no setting 'prot' \(did you mean 'port'\?\)"),
        (["port"], "--set: 'port' is not KEY=VALUE"),
        (["port=1", "port=2"], "'port' is given twice"),
        (["port=0"], "--set port: '0' is not a number from 1 to 65535"),
        (["port=65535"], "--set port: 65535 leaves too few ports"),
        (["host=a\nb"], "characters that cannot be printed"),
    ],
)
def test_settings_that_are_refused(given: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        written(TARGETS["vllm"], small_plan(), *given)


# -- tools and schemas ---------------------------------------------------------------


def check_jsonschema(
    schema: list[str], text: str, tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "document.yaml"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "file", "schema", "good", "bad"),
    [
        (
            "compose",
            "compose.yaml",
            ["--builtin-schema", "vendor.compose-spec"],
            "device_ids",
            "device_id",
        ),
        (
            "llama-swap",
            "llama-swap.yaml",
            ["--schemafile", str(SCHEMAS / "llama-swap.json")],
            "cmd:",
            "command:",
        ),
    ],
)
def test_the_schema_of_a_tool_accepts_the_file_and_refuses_a_mutated_one(
    name: str, file: str, schema: list[str], good: str, bad: str, tmp_path: Path
) -> None:
    plan = launch([device(0)], [needs("a $x %y 'q'", (0,), 9, 1), needs("b", (0,), 9, 1)])
    text = written(TARGETS[name], plan)[file]
    run = check_jsonschema(schema, text, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert good in text
    assert check_jsonschema(schema, text.replace(good, bad), tmp_path).returncode == 1


def test_kubernetes_accepts_every_manifest_and_refuses_a_mutated_one() -> None:
    import kubernetes_validate

    version = kubernetes_validate.latest_version()
    text = written(TARGETS["kubernetes"], small_plan())["kvpr.yaml"]
    documents = list(yaml.safe_load_all(text))
    kinds = [document["kind"] for document in documents]
    assert kinds == ["ResourceClaim"] * 2 + ["Deployment", "Service"] * 4
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    for old, new in (
        ("deviceClassName", "deviceClass"),
        ("resourceClaimName", "claimName"),
        ("targetPort", "target"),
    ):
        changed = [
            d
            for d in yaml.safe_load_all(text.replace(old, new))
            if old in yaml.dump(d) or new in yaml.dump(d)
        ]
        assert changed
        for document in changed:
            with pytest.raises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate(document, version, strict=True)


def analysed(files: dict[str, str], folder: Path) -> str:
    """What ``systemd-analyze verify`` says; its exit code passes over unknown keys."""
    for file, text in files.items():
        (folder / file).write_text(text)
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(folder / file) for file in files)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Of our units; others of the machine may have faults of their own.
    return "\n".join(line for line in run.stderr.splitlines() if "kvpr" in line)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units_and_refuses_mutated_ones(tmp_path: Path) -> None:
    plan = launch([device(0)], [needs("a $x %y 'q'", (0,), 9, 1), needs("b", (0,), 9, 1)])
    files = written(TARGETS["systemd"], plan, "vllm=/bin/true", "curl=/bin/true")
    assert analysed(files, tmp_path) == ""
    unit = "kvpr-b.service"
    for old, new in (
        ("TimeoutStartSec", "TimoutStartSec"),
        ('"a $$x', "a $$x"),
        ("/bin/true", "/bin/no-such-program"),
    ):
        file = "kvpr-a-x-y-q.service" if "$$" in old else unit
        assert old in files[file]
        assert file in analysed({**files, file: files[file].replace(old, new)}, tmp_path)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_shells_accept_the_script_and_run_it_in_order(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    log, tools = tmp_path / "log", tmp_path / "bin"
    tools.mkdir()
    for tool, body in (
        (
            "vllm",
            f'echo "start $* on $CUDA_VISIBLE_DEVICES" >> {log}; exec sleep 1 >/dev/null 2>&1',
        ),
        ("curl", f'echo "wait for $5" >> {log}'),
    ):
        (tools / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tools / tool).chmod(0o755)
    plan = launch(
        [device(0)],
        [needs("it's $HOME `id`", (0,), 9, 1, path="/models/x y"), needs("b", (0,), 30, 1)],
    )
    script = tmp_path / "launch.sh"
    script.write_text(written(TARGETS["vllm"], plan)["launch.sh"])
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    run = subprocess.run(
        [shell, str(script)], env=environment, capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "b is healthy on port 8001",
        "it's $HOME `id` is healthy on port 8002",
    ]
    started = [line for line in log.read_text().splitlines()]
    assert started.index("wait for http://127.0.0.1:8001/health") < next(
        index for index, line in enumerate(started) if "it's $HOME `id`" in line
    )
    assert any("serve /models/x y --served-model-name it's $HOME `id`" in line for line in started)


def test_the_script_stops_when_a_server_ends_before_it_is_healthy(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, body in (("vllm", "exit 3"), ("curl", "sleep 0.2; exit 7")):
        (tools / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tools / tool).chmod(0o755)
    script = tmp_path / "launch.sh"
    script.write_text(written(TARGETS["vllm"], small_plan())["launch.sh"])
    run = subprocess.run(
        ["sh", str(script)],
        env={"PATH": f"{tools}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 1
    assert run.stderr.strip() == "big has ended before it was healthy"
