"""Print the figures of the tutorials' systems, reached by skae and by plain Keras.

Run with ``make reproduce`` or ``python examples/reproduce.py [system ...]``. Reads the real data
from ``SKAE_DATA`` or the cache, and downloads them where they are in neither.
"""

from __future__ import annotations

import argparse
import time

from reproduction import images, report, signals

SYSTEMS = {
    "linear": signals.linear,
    "heartbeats": signals.heartbeats,
    "better-heartbeats": signals.better_heartbeats,
    "recurrent": signals.recurrent,
    "dense": images.dense,
    "stacked": images.stacked,
    "variational": images.variational,
    "denoiser": images.denoiser,
    "up-sampling": images.upsampling,
}
# Where plain Keras stands beside: systems with a better figure, and those with the same.
BETTER = {"heartbeats", "dense", "up-sampling"}
TWINS = {"none": set(), "better": BETTER, "all": BETTER | {"stacked", "variational", "denoiser"}}


def main() -> None:
    """Run the systems that were named, the quick ones first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", metavar="system", help=", ".join(SYSTEMS))
    parser.add_argument("--engine", default="auto", choices=["auto", "compiled", "keras"])
    parser.add_argument("--markdown", action="store_true", help="print a table for Markdown")
    parser.add_argument(
        "--keras",
        default="better",
        choices=list(TWINS),
        help="plain Keras beside no system, those with better figures, or all",
    )
    chosen = parser.parse_args()
    unknown = set(chosen.systems) - set(SYSTEMS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SYSTEMS)}")
    start = time.perf_counter()
    print(report.head(markdown=chosen.markdown), flush=True)
    for name in chosen.systems or SYSTEMS:
        options = {"keras_too": name in TWINS[chosen.keras]} if name in TWINS["all"] else {}
        for row in SYSTEMS[name](engine=chosen.engine, **options):
            print(report.line(row.cells(), markdown=chosen.markdown), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
