"""How much of what is claimed is certified, and at what cost: one table over many fleets.

    python -m kvpr_opt.study.experiments.certificates --seeds 6

Each row is a family of seeded fleets, solved with one thread. A fleet counts as
proved if bound and placement meet (or infeasibility is shown), whatever the source
of the claim, and as certified if the stand-alone checker accepts all of it. The last
column is the worst difference, in percentage points, between the gap claimed and
the gap certified. Seconds are processor time, except for the limits.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import Certificate
from kvpr_opt.environment import versions
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.patterns.proofs.case_proof import PROVING
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.result import Result, Status
from kvpr_opt.search.tracker import Progress
from kvpr_opt.solve import CHECKING, solve
from kvpr_opt.verify import check

#: The fleets of the public benchmark.
_PRISM_CASES = 50


@dataclass(frozen=True)
class TimedCell:
    """Fleets of one kind: family, size, the limit in seconds, and the skew of its rates."""

    family: str
    gpus: int
    models: int
    limit: float = 60.0
    skew: str | None = None

    @property
    def label(self) -> str:
        """The name of the cell in the table."""
        return f"{self.family} {self.gpus} x {self.models}, {self.limit:g} s"

    def fleet(self, seed: int) -> Instance:
        """One fleet of the cell."""
        return random_instance(
            self.family, gpus=self.gpus, models=self.models, seed=seed, skew=self.skew
        )


#: Rows of the table besides the public benchmark; the last ones are stopped early on purpose.
CELLS = (
    TimedCell("uniform", 8, 32),
    TimedCell("uniform", 16, 48),
    TimedCell("uniform", 16, 64),
    TimedCell("uniform", 8, 48),
    TimedCell("uniform", 8, 64),
    TimedCell("mixed", 16, 48),
    TimedCell("precise", 12, 48),
    TimedCell("precise", 16, 64),
    TimedCell("tight", 16, 64),
    TimedCell("zero-heavy", 16, 64),
    TimedCell("long-tail", 16, 64, skew="0.5"),
    TimedCell("fine", 16, 64, skew="0.5"),
    TimedCell("uniform", 32, 128, 30.0),
    TimedCell("uniform", 64, 256, 60.0),
    TimedCell("uniform", 16, 64, 1.0),
    TimedCell("precise", 16, 64, 2.0),
    TimedCell("uniform", 8, 64, 2.0),
)


@dataclass
class CertifiedRow:
    """The measurements over the fleets of a cell."""

    fleets: int = 0
    proved: int = 0
    certified: int = 0
    proof_bytes: list[int] = field(default_factory=list)
    check_seconds: list[float] = field(default_factory=list)
    solve_seconds: float = 0.0
    extra_seconds: float = 0.0
    gap_difference: float = 0.0

    def text(self, label: str) -> str:
        """The row in Markdown."""
        share = self.extra_seconds / (self.solve_seconds - self.extra_seconds)
        cells = [
            label,
            f"{self.proved}/{self.fleets}",
            f"{self.certified}/{self.proved}",
            *(f"{f(self.proof_bytes):.0f}" if self.proof_bytes else "-" for f in (median, max)),
            f"{sum(self.proof_bytes)}",
            *(f"{1000 * f(self.check_seconds):.0f}" for f in (median, max)),
            f"{self.solve_seconds / self.fleets:.2f}",
            f"{100 * share:.0f} %",
            f"{self.gap_difference:.4f}",
        ]
        return f"| {' | '.join(cells)} |"


#: The header of the table.
HEAD = (
    "fleets", "proved", "certified", "proof bytes, median", "max", "all", "check ms, median",
    "max", "solve s, mean", "extra for proofs", "gap difference",
)  # fmt: skip


class ProvingTime:
    """Adds up the processor time spent in the proving stages, from one report to the next."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def __call__(self, event: Progress) -> None:
        """Process one event of a run."""
        self.stop()
        if event.stage in (PROVING, CHECKING) and not event.news:
            self._since = time.process_time()

    def stop(self) -> None:
        """Record the end of a stage or of the run."""
        if self._since is not None:
            self.seconds += time.process_time() - self._since
        self._since = None


def measure(fleets: Iterator[Instance], limit: float) -> CertifiedRow:
    """Solve the fleets and check their certificates."""
    row = CertifiedRow()
    for instance in fleets:
        proving, start = ProvingTime(), time.process_time()
        result = solve(instance, time_limit=limit, threads=1, on_progress=proving)
        proving.stop()
        row.solve_seconds += time.process_time() - start
        certificate = result.certificate
        assert certificate is not None, "every run ends with one"
        texts = canonical_fleet(instance), certificate.to_json()
        start = time.process_time()
        report = check(*texts)
        row.check_seconds.append(time.process_time() - start)
        row.extra_seconds += proving.seconds
        row.fleets += 1
        row.proof_bytes += [_proof_bytes(certificate)] if certificate.bounds else []
        row.gap_difference = max(row.gap_difference, _gap_difference(result, certificate))
        if result.status in (Status.OPTIMAL, Status.INFEASIBLE):
            row.proved += 1
            row.certified += report.exit_code == ExitCode.DONE
    return row


def _proof_bytes(certificate: Certificate) -> int:
    """Bytes of the best proof, as compact JSON."""
    best = max(certificate.bounds, key=lambda bound: bound.value)
    return len(json.dumps(dict(best.proof), separators=(",", ":")))


def _gap_difference(result: Result, certificate: Certificate) -> float:
    """Difference in percentage points between the certified gap and the claimed gap."""
    claimed = relative_gap(certificate.max_kvpr, result.lower_bound)
    proved = [bound.value for bound in certificate.bounds if bound.proof["kind"] != "solver"]
    certified = relative_gap(certificate.max_kvpr, max(proved, default=0))
    if claimed is None or certified is None:
        return 0.0 if result.lower_bound in (None, *proved) else math.inf
    return 100 * float(certified - claimed)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=6, help="fleets of each cell")
    parser.add_argument(
        "--only", default="", help="cells whose label contains this text, such as '16 x 64'"
    )
    options = parser.parse_args()
    print(f"{platform.machine()}, seeds 0 to {options.seeds - 1}, one thread; ", end="")
    print(", ".join(f"{name} {number}" for name, number in versions().items()), end="\n\n")
    print(f"| {' | '.join(HEAD)} |\n" + "| --- " * len(HEAD) + "|")
    if options.only in (label := f"prism, all {_PRISM_CASES}"):
        row = measure((prism_instance(case) for case in range(_PRISM_CASES)), 60.0)
        print(row.text(label), flush=True)
    for cell in CELLS:
        if options.only in cell.label:
            row = measure((cell.fleet(seed) for seed in range(options.seeds)), cell.limit)
            print(row.text(cell.label), flush=True)


if __name__ == "__main__":
    main()
