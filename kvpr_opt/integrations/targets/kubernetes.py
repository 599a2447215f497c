"""Kubernetes with dynamic resource allocation.

There is one claim per GPU, and one Deployment and Service per server. A claim selects its GPU
by UUID and is shared by all servers on it; this also determines the node. An init container
waits for the servers that come before on the same GPUs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.launch import Device, Launch, Server
from kvpr_opt.integrations.targets.common import (
    PATIENCE,
    VLLM,
    comment,
    dumped,
    one_line_name,
    patience_of,
    slugs,
    vllm_flags,
)
from kvpr_opt.integrations.targets.protocol import Setting

NAME = "kubernetes"
STACK = f"Kubernetes 1.34 or later, the DRA driver of NVIDIA and {VLLM}"
SETTINGS = {
    "patience": PATIENCE,
    "image": Setting("vllm/vllm-openai:v0.32.0", "image with vllm and Python"),
    "namespace": Setting("default", "namespace of everything"),
}

_PORT = 8000

_WAIT = (
    "import sys, time, urllib.request\n"
    "end = time.time() + int(sys.argv[1])\n"
    "for url in sys.argv[2:]:\n"
    "    while True:\n"
    "        try:\n"
    "            urllib.request.urlopen(url, timeout=5)\n"
    "            break\n"
    "        except OSError:\n"
    "            if time.time() > end:\n"
    "                sys.exit(url + ' is not healthy')\n"
    "            time.sleep(2)\n"
)


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One file with all manifests."""
    slug_of = slugs(plan)
    claims: dict[str, str] = {}
    documents: list[dict[str, Any]] = []
    for server in plan.servers:
        for device in server.devices:
            if device.name not in claims:
                claims[device.name] = f"gpu-{len(claims)}"
                documents.append(_claim(device, claims[device.name], settings))
    for server in plan.servers:
        documents.append(_deployment(server, slug_of, claims, settings))
        documents.append(_service(slug_of[server.name], settings))
    text = "---\n".join(dumped(document) for document in documents)
    return {"kvpr.yaml": comment(plan.remarks, STACK) + text}


def _metadata(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "kvpr"}
    return {"name": name, "namespace": settings["namespace"], "labels": labels}


def _claim(device: Device, name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    if device.uuid is None:
        raise InputError(
            f"GPU {shown(device.name)} has no uuid in the fleet, by which a claim selects it"
        )
    kind = "mig.nvidia.com" if device.uuid.startswith("MIG") else "gpu.nvidia.com"
    # A CEL string, which uses the same escapes as JSON.
    selected = f'device.attributes["gpu.nvidia.com"].uuid == {json.dumps(device.uuid)}'
    exactly = {
        "deviceClassName": kind,
        "allocationMode": "ExactCount",
        "count": 1,
        "selectors": [{"cel": {"expression": selected}}],
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": _metadata(name, settings),
        "spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}},
    }


def _deployment(
    server: Server,
    slug_of: Mapping[str, str],
    claims: Mapping[str, str],
    settings: Mapping[str, str],
) -> dict[str, Any]:
    name = slug_of[server.name]
    own = [claims[device.name] for device in server.devices]
    patience = patience_of(settings)
    path = one_line_name(server.needs.path)
    flags = [one_line_name(word) for word in vllm_flags(server, _PORT, "0.0.0.0")]
    probe = {"httpGet": {"path": "/health", "port": _PORT}, "periodSeconds": 5}
    container: dict[str, Any] = {
        "name": "vllm",
        "image": settings["image"],
        "command": ["vllm", "serve"],
        "args": [_escaped(word) for word in (path, *flags)],
        "ports": [{"containerPort": _PORT}],
        "startupProbe": {**probe, "failureThreshold": -(-patience // 5)},
        "readinessProbe": probe,
        "resources": {"claims": [{"name": claim} for claim in own]},
    }
    pod: dict[str, Any] = {
        "containers": [container],
        "resourceClaims": [{"name": claim, "resourceClaimName": claim} for claim in own],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    if os.path.isabs(path):
        container["volumeMounts"] = [{"name": "model", "mountPath": path, "readOnly": True}]
        pod["volumes"] = [{"name": "model", "hostPath": {"path": path, "type": "Directory"}}]
    if server.after:
        urls = [f"http://{slug_of[before]}:{_PORT}/health" for before in server.after]
        pod["initContainers"] = [
            {
                "name": "wait",
                "image": settings["image"],
                "command": ["python3", "-c", _WAIT, str(patience), *urls],
            }
        ]
    metadata = _metadata(name, settings)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            # The GPU has no room for a second pod beside the first one.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
        },
    }


def _service(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, settings),
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"port": _PORT, "targetPort": _PORT}],
        },
    }


def _escaped(text: str) -> str:
    """An argument escaped so that Kubernetes expands no variables in it."""
    return text.replace("$(", "$$(")
