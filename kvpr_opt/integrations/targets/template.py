"""A target to start from: a table of servers. Copy it, then add it to ``registry.py``.

The suite in ``tests/integrations/test_targets.py`` checks this file and every target: the
same plan gives the same files, each server is in them, headers name the stack and the plan,
and names that the format cannot carry are refused with one line. Write a reader of your format into
``tests/target_readers.py``; the suite then checks with it, on random plans, that GPUs,
shards, cache and order arrive as they were planned.
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

#: What ``--for`` will call it.
NAME = "template"

#: The software that reads the files, and the version that they were tried with.
STACK = "nothing in particular"

#: What a user may want to change and no fleet says, by the name that ``--set`` has for it.
SETTINGS = {"separator": Setting(" | ", "what stands between columns")}


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One table a machine."""
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
