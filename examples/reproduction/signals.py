"""Systems on rows: heartbeats, and the linear autoencoder beside PCA."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.exceptions import NonFiniteLossError

from . import data, plain_keras
from .plain_keras import fitted, mean_squared
from .report import Row, Watch, median_of

TUTORIAL = {"accuracy": "0.944", "precision": "0.992", "recall": "0.907"}
# The beats are in [0, 1], and the threshold is one standard deviation above the mean error.
TUTORIALS = {"scale": False, "n_std": 1.0, "calibration": "training", "optimizer": "adam"}
SCORES = {
    "accuracy": accuracy_score,
    # A detector that calls no beat normal has no precision; scikit-learn would warn.
    "precision": partial(precision_score, zero_division=0.0),
    "recall": recall_score,
}


def heartbeats(seeds=(0, 1, 2, 3, 4), epochs=20, engine="auto", keras_too=True):
    """Yield the figures of the tutorial's detector on ECG5000, normal as the positive class."""
    train, test, train_label, label = data.heartbeats()
    normal = train[train_label == 1]
    watch, found, keras_found = Watch(), [], []
    for seed in seeds:
        detector = ReconstructionOutlierDetector(
            hidden_layer_sizes=(32, 16),
            latent_dim=8,
            **TUTORIALS,
            loss="mae",
            epochs=epochs,
            batch_size=512,
            engine=engine,
            random_state=seed,
        )
        with watch.measure("skae"):
            detector.fit(normal)
        found.append(judge(label, detector.predict(test)))
        if keras_too:
            with watch.measure("Keras"):
                network, _ = fitted(
                    plain_keras.detector,
                    normal,
                    seed=seed,
                    epochs=epochs,
                    batch_size=512,
                    optimizer="adam",
                    loss="mae",
                )
            keras_found.append(judge(label, keras_verdict(network, normal, test)))
    for name, published in TUTORIAL.items():
        ours, theirs = ([each[name] for each in both] for both in (found, keras_found))
        keras = median_of(theirs) if theirs else ""
        yield Row("heartbeats", name, published, median_of(ours), keras, str(watch))
        watch = ""


def candidates(engine="auto"):
    """Return the networks that `better_heartbeats` chooses from."""
    common = {**TUTORIALS, "loss": "mae", "batch_size": 64, "engine": engine, "random_state": 0}
    make = ReconstructionOutlierDetector
    return {
        "dense 64-16": make(hidden_layer_sizes=(64,), latent_dim=16, epochs=100, **common),
        "dense 128-32": make(hidden_layer_sizes=(128,), latent_dim=32, epochs=200, **common),
        "conv 16-16-8, width 7": make(
            "conv", 4, hidden_layer_sizes=(16, 16, 8), model__kernel_size=7, epochs=60, **common
        ),
    }


def better_heartbeats(engine="auto", scale=1.0):
    """Yield what a network and a threshold from the training part reach on the test part."""
    train, test, train_label, label = data.heartbeats()
    seen, held_out, seen_label, held_out_label = train_test_split(
        train, train_label, test_size=0.3, random_state=0, stratify=train_label
    )
    watch, scores = Watch(), {}
    pool = candidates(engine)
    with watch.measure("skae"):
        for name, detector in pool.items():
            detector.set_params(epochs=max(1, round(detector.epochs * scale)))
            trial = clone(detector).fit(seen[seen_label == 1]).recalibrate(seen, seen_label)
            scores[name] = accuracy_score(held_out_label, trial.predict(held_out))
        best = max(scores, key=scores.get)
        detector = pool[best].fit(train[train_label == 1])
    blind = judge(label, detector.predict(test))
    rate = detector.set_params(contamination=0.03).recalibrate(train[train_label == 1])
    alarms = judge(label, rate.predict(test))
    labelled = judge(label, detector.recalibrate(train, train_label).predict(test))
    for name, published in TUTORIAL.items():
        for rule, each in (
            ("mean + 1 std", blind),
            ("3 % false alarms", alarms),
            ("labels of the training part", labelled),
        ):
            figure = f"{name}, threshold by {rule}"
            yield Row(best, figure, published, f"{each[name]:.4f}", "", str(watch))
            watch = ""


def sequence_readers(epochs=60, engine="auto"):
    """Return a dense and a recurrent detector with codes of eight numbers."""
    common = {"latent_dim": 8, "hidden_layer_sizes": (64,), "epochs": epochs, "batch_size": 64}
    common |= {**TUTORIALS, "loss": "mae", "engine": engine}
    make = ReconstructionOutlierDetector
    # Read five points at a step, a beat is 28 steps long: a fifth of the time of 140 steps of one.
    steps = {"input_shape": (28, 5), "optimizer__learning_rate": 0.003}
    return {
        "heartbeats, dense": make("dense", **common),
        "heartbeats, recurrent": make("recurrent", **steps, **common),
    }


def recurrent(seeds=(0, 1, 2), epochs=60, engine="auto"):
    """Yield what an LSTM reaches on ECG5000 beside a dense network, with the same thresholds."""
    train, test, train_label, label = data.heartbeats()
    normal = train[train_label == 1]
    for system, detector in sequence_readers(epochs, engine).items():
        watch, blind, alarms = Watch(), [], []
        for seed in seeds:
            with watch.measure("skae"):
                detector.set_params(contamination="auto", random_state=seed).fit(normal)
            blind.append(judge(label, detector.predict(test)))
            detector.set_params(contamination=0.03).recalibrate(normal)
            alarms.append(judge(label, detector.predict(test)))
        for name in SCORES:
            for rule, found in (("mean + 1 std", blind), ("3 % false alarms", alarms)):
                reached = median_of([each[name] for each in found])
                yield Row(system, f"{name}, threshold by {rule}", "", reached, "", str(watch))
                watch = ""


def linear(epochs=300, engine="auto"):
    """Yield how near the linear autoencoder comes to PCA."""
    points = data.plane_in_space()
    pca = PCA(2).fit(points)
    options = {"latent_dim": 2, "scale": False, "optimizer": "sgd", "batch_size": 32}
    options |= {"engine": engine, "random_state": 0}
    watch = Watch()
    coder = AutoencoderTransformer("linear", optimizer__learning_rate=0.5, epochs=epochs, **options)
    with watch.measure("skae"):
        coder.fit(points)
    plane = coder.inverse_transform(np.eye(2)) - coder.inverse_transform(np.zeros((1, 2)))
    angle = np.rad2deg(subspace_angles(plane.T, pca.components_.T).max())
    yield Row(
        "linear",
        f"angle to PCA's plane, {epochs} epochs",
        "< 2 degrees",
        f"{angle:.3f}",
        "",
        str(watch),
    )
    best = mean_squared(points, pca.inverse_transform(pca.transform(points)))
    ours = mean_squared(points, coder.reconstruct(points))
    yield Row("linear", "mse over PCA's", "", f"{ours / best:.4f}")
    fast = AutoencoderTransformer("linear", optimizer__learning_rate=1.5, epochs=20, **options)
    try:
        reached = _ratio(fast.fit(points), points, best)
    except NonFiniteLossError as error:
        reached = f"stopped: {str(error).split('.')[0]}"
    yield Row("linear", "learning rate 1.5, mse over PCA's", "", reached)


def judge(label, prediction):
    """Return accuracy, precision and recall."""
    return {name: float(score(label, prediction)) for name, score in SCORES.items()}


def keras_verdict(network, normal, test):
    """Return +1 and -1 by the tutorial's threshold: mean + 1 std of training errors."""
    seen, unseen = (
        np.abs(rows - network.predict(rows, verbose=0)).mean(axis=1) for rows in (normal, test)
    )
    return np.where(unseen <= seen.mean() + seen.std(), 1, -1)


def _ratio(coder, points, best):
    return f"{mean_squared(points, coder.reconstruct(points)) / best:.4f}"
