"""A target to start from: a table of servers. Copy it, then add it to ``registry.py``.

The suite in ``tests/integrations/test_targets.py`` checks this file and every target: the
same plan gives the same files, each server is in them, headers name the stack and the plan,
and names that the format cannot express are rejected with a one-line error. Add a reader of your
format to ``tests/target_readers.py``; with it the suite checks, on random plans, that the files
have the GPUs, shards, cache and order of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping

from kvpr_opt.integrations.launch import Launch
from kvpr_opt.integrations.targets.common import (
    by_node,
    comment,
    file_name,
    numbers,
    one_line_name,
)
from kvpr_opt.integrations.targets.protocol import Setting

#: Its name for ``--for``.
NAME = "template"

#: The software that reads the files, and the version they were tested with.
STACK = "nothing in particular"

#: Settings that are not part of a fleet, by their names for ``--set``.
SETTINGS = {"separator": Setting(" | ", "what stands between columns")}


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One table per machine."""
    groups = by_node(plan)
    found = {}
    for node, servers in groups.items():
        rows = [
            settings["separator"].join(
                [
                    one_line_name(server.name),
                    ",".join(numbers(server.devices)),
                    str(server.kv_cache),
                    ",".join(server.after),
                ]
            )
            for server in servers
        ]
        text = comment(plan.remarks, STACK) + "\n".join(rows) + "\n"
        found[file_name("table", ".txt", node, groups)] = text
    return found
