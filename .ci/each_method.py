"""Solve one small fleet by each method that is installed here, and name what it ran on."""

import platform
import sys

import kvpr_opt as kv
from kvpr_opt.solve import known_methods

FLEET = kv.Instance(
    [kv.GPU(name, memory=10) for name in "abc"],
    [kv.LLM(f"m{i}", size=1 + i % 3, pressure=1 + i * i % 5) for i in range(7)],
)


def main() -> None:
    """Every method finds the same optimum, but for those that promise none."""
    optimum = kv.solve(FLEET, time_limit=60).max_kvpr
    for method in known_methods():
        # Without a placement to start from, no solver is spared.
        skip = () if method == "heuristic" else ("heuristic",)
        result = kv.solve(FLEET, method=method, skip=skip, time_limit=300, gap="0.00001")
        assert result.status in (kv.Status.OPTIMAL, kv.Status.FEASIBLE), (method, result.status)
        assert result.max_kvpr is not None
        assert optimum is not None
        proved = method not in ("heuristic", "pattern_lp")  # the relaxation may stay below
        assert not proved or result.max_kvpr <= optimum * (1 + 1e-4), (method, result.max_kvpr)
        assert "gave up" not in result.message, (method, result.message)
    versions = " ".join(f"{name} {version}" for name, version in result.versions.items())
    print(f"Python {platform.python_version()}, {versions}: {', '.join(known_methods())}")


if __name__ == "__main__":
    sys.exit(main())
