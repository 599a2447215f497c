"""Readers that take a written configuration apart again, as the tools that it is for would."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Read:
    """What a configuration says of one server."""

    name: str
    model: str
    path: str
    gpus: tuple[str, ...]
    shards: int
    kv_cache: int | None
    share: float | None
    max_tokens: int | None
    port: int | None
    after: tuple[str, ...]


def flags_of(words: list[str]) -> tuple[str, dict[str, str]]:
    """The model and the flags of ``vllm serve MODEL --flag value ...``."""
    model, *rest = words
    names, values = rest[::2], rest[1::2]
    assert len(names) == len(values)
    assert all(name.startswith("--") for name in names)
    assert len(set(names)) == len(names)
    return model, dict(zip(names, values, strict=True))


def read_words(
    name: str, words: list[str], gpus: str, after: tuple[str, ...], port: int | None = None
) -> Read:
    path, flags = flags_of(words)
    return Read(
        name=name,
        model=flags["--served-model-name"],
        path=path,
        gpus=tuple(gpus.split(",")),
        shards=int(flags.get("--tensor-parallel-size", 1)),
        kv_cache=int(flags["--kv-cache-memory-bytes"]),
        share=float(flags["--gpu-memory-utilization"]),
        max_tokens=int(flags["--max-model-len"]) if "--max-model-len" in flags else None,
        port=int(flags["--port"]) if port is None else port,
        after=after,
    )


def read_vllm(files: dict[str, str]) -> dict[str, list[Read]]:
    found: dict[str, list[Read]] = {}
    for file, text in files.items():
        servers: list[Read] = []
        waited: list[str] = []
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["wait_for"] and len(words) == 4:
                waited.append(words[1])
            if "vllm" not in words:
                continue
            assert words[-1] == "&"
            environment = dict(word.split("=", 1) for word in words[: words.index("vllm")])
            rest = words[words.index("vllm") + 2 : -1]
            gpus = environment["CUDA_VISIBLE_DEVICES"]
            server = read_words("", rest, gpus, tuple(waited))
            servers.append(server)
        # The names of servers are those that are waited for by their port.
        ports = {
            int(words[2]): words[1]
            for words in map(shlex.split, re.findall(r"^wait_for .*\d.*$", text, re.MULTILINE))
        }
        named = [Read(**{**vars(s), "name": ports[s.port or 0]}) for s in servers]
        found[file] = named
    return found


def systemd_words(value: str) -> list[str]:
    """Words of a command line of systemd."""
    words, word, quoted, present = [], "", False, False
    position = 0
    while position < len(value):
        character = value[position]
        if character == "\\":
            position += 1
            word += value[position]
            present = True
        elif character == '"':
            quoted, present = not quoted, True
        elif character == " " and not quoted:
            if present:
                words.append(word)
            word, present = "", False
        else:
            word, present = word + character, True
        position += 1
    assert not quoted
    return [*words, word] if present else words


def read_systemd(files: dict[str, str]) -> dict[str, list[Read]]:
    found: dict[str, list[Read]] = {}
    units: dict[str, Read] = {}
    for file, text in files.items():
        if not file.endswith(".service"):
            continue
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        pairs = [line.split("=", 1) for line in lines if "=" in line]
        after = next(value for key, value in pairs if key == "After").split()[1:]
        command = next(value for key, value in pairs if key == "ExecStart").replace("$$", "$")
        words = systemd_words(command.replace("%%", "%"))
        environment = dict(
            systemd_words(value)[0].split("=", 1) for key, value in pairs if key == "Environment"
        )
        description = next(value for key, value in pairs if key == "Description")
        name = description.removeprefix("vLLM: ").replace("%%", "%")
        gpus = environment["CUDA_VISIBLE_DEVICES"]
        units[file] = read_words(name, words[2:], gpus, tuple(after))
    for file, text in files.items():
        if file.endswith(".target"):
            wanted = re.findall(r"^Wants=(.*)$", text, re.MULTILINE)
            found[file] = [
                Read(**{**vars(units[u]), "after": tuple(units[a].name for a in units[u].after)})
                for u in wanted
            ]
    return found


def read_compose(files: dict[str, str]) -> dict[str, list[Read]]:
    found = {}
    for file, text in files.items():
        servers = []
        for name, service in yaml.safe_load(text)["services"].items():
            (device,) = service["deploy"]["resources"]["reservations"]["devices"]
            words = [word.replace("$$", "$") for word in service["command"]]
            port = int(service["ports"][0].split(":")[0])
            after = service.get("depends_on", {})
            assert all(wait == {"condition": "service_healthy"} for wait in after.values())
            gpus = ",".join(device["device_ids"])
            servers.append(read_words(name, words, gpus, tuple(after), port))
        found[file] = servers
    return found


def read_llama_swap(files: dict[str, str]) -> dict[str, list[Read]]:
    found = {}
    for file, text in files.items():
        document = yaml.safe_load(text)
        servers: list[Read] = []
        preload = document["hooks"]["on_startup"]["preload"]
        assert list(document["models"]) == preload
        for number, (name, model) in enumerate(document["models"].items()):
            words = shlex.split(model["cmd"].replace("${PORT}", str(5800 + number)))
            assert words[:2] == ["vllm", "serve"]
            environment = dict(entry.split("=", 1) for entry in model["env"])
            gpus = environment["CUDA_VISIBLE_DEVICES"]
            servers.append(read_words(name, words[2:], gpus, tuple(preload[:number])))
        found[file] = servers
    return found


def read_kubernetes(files: dict[str, str]) -> dict[str, list[Read]]:
    found = {}
    for file, text in files.items():
        documents = list(yaml.safe_load_all(text))
        uuids = {}
        for document in documents:
            if document["kind"] == "ResourceClaim":
                (request,) = document["spec"]["devices"]["requests"]
                expression = request["exactly"]["selectors"][0]["cel"]["expression"]
                uuids[document["metadata"]["name"]] = json.loads(expression.split(" == ")[1])
        servers = []
        for document in documents:
            if document["kind"] == "Deployment":
                servers.append(_deployment(document, uuids))
        found[file] = servers
    return found


def _deployment(document: dict[str, Any], uuids: dict[str, str]) -> Read:
    pod = document["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    claims = [claim["resourceClaimName"] for claim in pod["resourceClaims"]]
    assert [claim["name"] for claim in container["resources"]["claims"]] == claims
    after: list[str] = []
    for waiting in pod.get("initContainers", ()):
        after += [re.sub(r"http://(.*):\d+/health", r"\1", url) for url in waiting["command"][4:]]
    words = [word.replace("$$(", "$(") for word in container["args"]]
    gpus = ",".join(uuids[claim] for claim in claims)
    return read_words(document["metadata"]["name"], words, gpus, tuple(after))


def read_kvcached(files: dict[str, str]) -> dict[str, list[Read]]:
    found = {}
    for file, text in files.items():
        servers = []
        for instance in yaml.safe_load(text)["instances"]:
            assert instance["engine"] == "vllm"
            assert instance["using_venv"]
            assert instance["venv_path"]
            words = [word for entry in instance["engine_args"] for word in shlex.split(entry)]
            flags = dict(word.split("=", 1) for word in words if "=" in word)
            assert "--gpu-memory-utilization" not in flags
            environment = dict(entry.split("=", 1) for entry in instance["engine_env"])
            servers.append(
                Read(
                    name=instance["name"],
                    model=flags["--served-model-name"],
                    path=instance["model"],
                    gpus=tuple(environment["CUDA_VISIBLE_DEVICES"].split(",")),
                    shards=int(flags.get("--tensor-parallel-size", 1)),
                    kv_cache=None,
                    share=None,
                    max_tokens=int(flags["--max-model-len"])
                    if "--max-model-len" in flags
                    else None,
                    port=int(flags["--port"]),
                    after=(),
                )
            )
        found[file] = servers
    return found


def read_prism(files: dict[str, str]) -> dict[str, list[Read]]:
    found = {}
    for file, text in files.items():
        servers = []
        for model in json.loads(text):
            assert set(model) == {"model_name", "model_path", "tp_size", "init_placements"}
            for placement in model["init_placements"]:
                assert placement["on"] is True
                servers.append(
                    Read(
                        name="",
                        model=model["model_name"],
                        path=model["model_path"],
                        gpus=tuple(map(str, placement["gpu_ids"])),
                        shards=model["tp_size"],
                        kv_cache=int(placement["max_memory_pool_size"] * (1 << 30)),
                        share=None,
                        max_tokens=None,
                        port=None,
                        after=(),
                    )
                )
        found[file] = servers
    return found


READERS = {
    "vllm": read_vllm,
    "systemd": read_systemd,
    "compose": read_compose,
    "llama-swap": read_llama_swap,
    "kubernetes": read_kubernetes,
    "kvcached": read_kvcached,
    "prism": read_prism,
}
