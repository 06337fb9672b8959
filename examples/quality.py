"""Rank the outliers of public tables by skae's detector and by others, all with their defaults.

Run with ``make quality`` or ``python examples/quality.py [--seeds 3]``. Reads the tables of ADBench
(Han et al. 2022, :doi:`10.48550/arXiv.2206.09426`) from the folder ``adbench`` in ``SKAE_DATA``.
"clean" is trained on 70 % of the normal samples and ranks the others and the outliers; "dirty" is
trained on 70 % of all samples, without their labels, and ranks the rest.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import ReconstructionOutlierDetector

MOST_SAMPLES = 5000


def detectors(seed: int) -> dict[str, Any]:
    """Return the detectors to compare."""
    made = {
        "skae": ReconstructionOutlierDetector(random_state=seed),
        "IsolationForest": IsolationForest(random_state=seed),
        "LOF": make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
        "OneClassSVM": make_pipeline(StandardScaler(), OneClassSVM()),
    }
    try:
        from pyod.models.auto_encoder import AutoEncoder
    except ImportError:
        return made
    return {**made, "PyOD AutoEncoder": AutoEncoder(random_state=seed, verbose=0)}


def tables(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, samples and where the outliers are, of every table."""
    for path in sorted(folder.glob("*.npz"), key=lambda path: int(path.name.split("_")[0])):
        with np.load(path) as stored:
            X, y = stored["X"].astype(float), stored["y"].ravel() == 1
        if len(X) > MOST_SAMPLES:
            X, _, y, _ = train_test_split(X, y, train_size=MOST_SAMPLES, stratify=y, random_state=0)
        yield path.stem, X, y


def split(X: Any, y: Any, mode: str, seed: int) -> tuple[Any, Any, Any]:
    """Return samples to train on, samples to rank, and which of these are outliers."""
    if mode == "dirty":
        train, test, _, label = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
        return train, test, label
    train, normal = train_test_split(X[~y], test_size=0.3, random_state=seed)
    label = np.repeat([False, True], [len(normal), y.sum()])
    return train, np.concatenate([normal, X[y]]), label


def measured(detector: Any, train: Any, test: Any, label: Any) -> dict[str, float]:
    """Return the area under the ROC curve, seconds, and the rate of false alarms."""
    start = time.perf_counter()
    detector.fit(train)
    scores = detector.decision_function(test)
    seconds = time.perf_counter() - start
    is_pyod = type(detector).__module__.startswith("pyod")  # high is abnormal there, and 1
    flagged = detector.predict(test) == (1 if is_pyod else -1)
    return {
        "auc": roc_auc_score(label, scores if is_pyod else -scores),
        "seconds": seconds,
        "flagged": flagged[~label].mean(),
    }


def compared(folder: Path, seeds: int) -> pd.DataFrame:
    """Return one line for every detector, table, mode and seed."""
    lines = []
    for name, X, y in tables(folder):
        for mode in ("clean", "dirty"):
            for seed in range(seeds):
                train, test, label = split(X, y, mode, seed)
                for kind, detector in detectors(seed).items():
                    found = measured(detector, train, test, label)
                    lines.append({"table": name, "mode": mode, "detector": kind, **found})
        print(f"{name}: {X.shape[0]} samples, {X.shape[1]} columns", file=sys.stderr, flush=True)
    return pd.DataFrame(lines)


def printed(lines: pd.DataFrame, value: str, form: Callable[[float], str]) -> None:
    """Print a table in Markdown: tables by detectors and modes."""
    order = list(dict.fromkeys(lines["detector"]))
    means = lines.groupby(["table", "mode", "detector"], sort=False)[value].mean().unstack()
    wide = means[order].unstack("mode").swaplevel(axis=1)[["clean", "dirty"]]
    wide = wide[[(mode, kind) for mode in ("clean", "dirty") for kind in order]]
    wide.loc["mean"] = wide.mean()
    print(f"| {value} | " + " | ".join(f"{kind}, {mode}" for mode, kind in wide.columns) + " |")
    print("|---|" + "---|" * wide.shape[1])
    for name, row in wide.iterrows():
        print(f"| {name} | " + " | ".join(map(form, row)) + " |")
    print()


def main() -> None:
    """Compare, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    folder = Path(os.environ.get("SKAE_DATA", "~/skae_data")).expanduser() / "adbench"
    if not folder.is_dir():
        sys.exit(f"{folder} is missing; SKAE_DATA names the folder that holds adbench/*.npz")
    if "PyOD AutoEncoder" not in detectors(0):
        print("PyOD is not installed and is left out; pip install '.[bench]'", file=sys.stderr)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    lines = compared(folder, seeds)
    for value, form in (("auc", "{:.3f}"), ("flagged", "{:.3f}"), ("seconds", "{:.2f}")):
        printed(lines, value, form.format)
    print(f"{seeds} seeds, {time.perf_counter() - start:.0f} seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
