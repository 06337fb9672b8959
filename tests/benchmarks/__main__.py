"""Compares skae with its peers: ``python -m tests.benchmarks [--cases ...] [--repeats 3]``.

Every figure is taken in a fresh process, contenders in turn, several times over. Shown are the
medians, and the ratios of skae to each peer with the least and the greatest that any pairing of
the runs gives. A peer that is not installed is skipped with a notice.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import serving, training  # noqa: F401  they register what they measure
from tests.benchmarks.tools import RUNS

# Case: what it is, unit, and the goals by peer ("" for skae's own figure).
CASES = {
    "first_fit": ("first fit, 2,359 x 140, 20 epochs", "s", {"keras": 0.45}),
    "later_fit": ("later fits of that architecture", "s", {"keras": 0.05, "pyod": 0.6}),
    "default_fit": ("fit of a detector with defaults, 5,000 x 30", "s", {"pyod": 1.5}),
    "first_functional": ("first fit of a functional model", "s", {"keras": None}),
    "later_functional": ("later fits of a functional model", "s", {"keras": 0.08}),
    "first_class": ("first fit of the tutorial's class", "s", {"keras": None}),
    "later_class": ("later fits of the tutorial's class", "s", {"keras": 0.12}),
    "grid_search": ("grid search, 2 x 2 candidates, 3 folds, refit", "s", {"scikeras": 0.07}),
    "grid_functional": ("the same search with a functional model", "s", {"scikeras": None}),
    "n_jobs": ("search of 24 fits of 2 s by two workers", "s", {"n_jobs=1": 0.8}),
    "short_fit": ("a fit of one epoch, 60,000 x 140, batch 32", "s", {"keras": None}),
    "epoch_140": ("one epoch, 60,000 x 140, batch 32", "s", {"keras": 0.06}),
    "epoch_stream": ("one epoch of a stream, 60,000 x 140, batch 32", "s", {"keras": 0.15}),
    "epoch_noise": (
        "one epoch with normal noise, 60,000 x 140, batch 32",
        "s",
        {"no noise": 1.5, "keras": None},
    ),
    "epoch_784": (
        "one epoch, 60,000 x 784, code 64, batch 32",
        "s",
        {"keras": 0.20, "scikit-learn": 0.5, "numpy": None},
    ),
    "epoch_conv": ("one epoch, convolutional, 60,000 x 28 x 28, batch 32", "s", {"keras": 0.65}),
    "one_row": (
        "decision_function of one row",
        "s",
        {"scikit-learn": 1.0, "keras": 0.006},
    ),
    "score": ("score_samples, 1,000,000 x 140", "s", {"keras": 0.06, "numpy": 1.2}),
    "default_score": (
        "scores of 100,000 x 30, all with defaults",
        "s",
        {"isolation forest": 3.0},
    ),
    "onnx_first": ("first answer of a fresh process, ONNX", "s", {"pickle": 0.1}),
    "onnx_memory": ("memory of that process", "MB", {"pickle": 0.15}),
    "onnx_row": ("scores of one row, ONNX", "s", {"pickle": 0.5}),
    "growth": ("memory kept by a fit", "MB", {"": 0.1, "keras": None}),
    "peak_array": ("peak memory beyond 1.2 x an array of 500 MB", "MB", {"": 300}),
    "peak_memmap": ("memory of a fit on a memory map of 4 GB", "MB", {"": 300}),
    "import": ("import", "s", {"scikit-learn": 0.2}),
}
MISSING = 3


def measure(case, contender):
    """Return one figure, taken in a fresh process; None where the peer is not installed."""
    command = [sys.executable, "-m", "tests.benchmarks", "--one", case, contender]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == MISSING:
        return None
    if done.returncode:
        raise RuntimeError(f"{case} of {contender} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1])


def run_case(case, repeats):
    """Return the figures of a case by contender."""
    contenders = [contender for name, contender in RUNS if name == case]
    figures = {contender: [] for contender in contenders}
    for _ in range(repeats):
        for contender in contenders:
            value = measure(case, contender)
            if value is None:
                print(f"  {contender} is not installed; skipped", file=sys.stderr)
            else:
                figures[contender].append(value)
    return {contender: values for contender, values in figures.items() if values}


def compare(case, figures):
    """Return a row for every peer of a case."""
    title, unit, goals = CASES[case]
    own = figures["skae"]
    rows = []
    for peer, goal in goals.items():
        if peer and peer not in figures:
            continue
        row = {"case": title, "unit": unit, "skae": statistics.median(own), "goal": goal}
        if peer:
            ratios = [a / b for a in own for b in figures[peer] if b]
            row |= {"peer": peer, "other": statistics.median(figures[peer])}
            row |= {"ratio": row["skae"] / row["other"], "spread": [min(ratios), max(ratios)]}
        rows.append(row)
    return rows


def as_table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| case | skae | peer | its figure | ratio (spread) | goal |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit = row["unit"]
        goal = "-" if row["goal"] is None else f"{row['goal']:g}"
        cells = [row["case"], f"{row['skae']:.3g} {unit}"]
        if "peer" in row:
            low, high = row["spread"]
            cells += [row["peer"], f"{row['other']:.3g} {unit}"]
            cells += [f"{row['ratio']:.3g} ({low:.3g} to {high:.3g})"]
        else:
            cells += ["-", "-", "-"]
        lines.append("| " + " | ".join([*cells, goal]) + " |")
    return "\n".join(lines)


def machine():
    """Return what the figures were taken on."""
    names = ("tensorflow", "keras", "scikit-learn", "scikeras", "numpy", "pyod", "torch")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": versions,
        "load_before": os.getloadavg()[0],
    }


def run_one(case, contender):
    """Print one figure; exit with `MISSING` where a peer's package is not installed."""
    try:
        print(RUNS[case, contender]())
    except ModuleNotFoundError as error:
        if contender in ("skae", "keras"):
            raise
        print(error, file=sys.stderr)
        raise SystemExit(MISSING) from error


def main():
    """Run the cases asked for, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(*options.one)
        return
    about, rows, raw = machine(), [], {}
    for case in options.cases:
        print(f"{case} ...", file=sys.stderr)
        raw[case] = run_case(case, options.repeats)
        rows += compare(case, raw[case])
    options.json.write_text(json.dumps({"machine": about, "figures": raw, "rows": rows}, indent=1))
    print(as_table(rows))
    print(json.dumps(about))


if __name__ == "__main__":
    main()
