"""What forks and worker processes do, told by one fresh process, which runs `tell`.

The order matters: first nothing is imported, then TensorFlow is but has not run, then it has.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import sys
from ast import literal_eval
from pathlib import Path

import joblib
import numpy as np

REFUSAL = "RuntimeError: This process was forked after TensorFlow had been used"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
X = np.random.default_rng(0).random((500, 4), dtype=np.float32)
PARAMETERS = {"latent_dim": 2, "epochs": 1, "random_state": 0}
kept = {}


def forked(work):
    """Return what `work` returns, or how it fails, in a child that has 40 seconds."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        try:
            answer = repr(work())
        except BaseException as error:  # noqa: BLE001 - the answer says how it failed
            answer = f"{type(error).__name__}: {error}"
        os.write(send, answer.encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as end:
        answer = end.read()
    os.waitpid(child, 0)
    return answer or "the child hung or died"


def of_grandchild(answer):
    """Return what a child says of a child of its own, or how the first one failed."""
    try:
        return literal_eval(answer)
    except (SyntaxError, ValueError):
        return [answer, answer]


def trained():
    from skae import ReconstructionOutlierDetector

    return ReconstructionOutlierDetector(**PARAMETERS, calibration="training").fit(X)


def scores():
    return trained().score_samples(X[:20]).tolist()


def forked_after_skae_alone():
    """Fork a process that has imported skae, and TensorFlow not."""
    import skae  # noqa: F401

    assert "tensorflow" not in sys.modules
    return forked(scores)


def forked_after_a_users_tensorflow():
    """Fork a process that has used TensorFlow by itself, and imported none of skae that does."""
    import skae  # noqa: F401, I001  in this order, as its own modules have it
    import tensorflow as tf

    assert "skae.estimators" not in sys.modules
    _ = tf.constant(1.0) + 1
    return forked(trained)


def attributes():
    """Return the identities of the methods of classes that are not skae's."""
    import keras
    import sklearn.base

    classes = [keras.Model, keras.Layer, keras.losses.Loss, keras.metrics.Metric]
    classes += [keras.optimizers.Optimizer, keras.optimizers.Adam, keras.layers.Dense]
    classes += [keras.callbacks.Callback, sklearn.base.BaseEstimator, sklearn.base.OutlierMixin]
    return {
        f"{kind}.{name}": id(value)
        for kind in classes
        for name, value in vars(kind).items()
        if not name.startswith("_abc_") and callable(value)
    }


def before_skae(said):
    """Note the classes of others; but before that, fork a process that imported no TensorFlow."""
    if hasattr(os, "fork"):
        said["skae alone"] = of_grandchild(forked(forked_after_skae_alone))
    kept["attributes"] = attributes()
    assert "skae" not in sys.modules


def before_any_use(said):
    """Fork before TensorFlow runs in this process: the children train."""
    said["users own"] = of_grandchild(forked(forked_after_a_users_tensorflow))
    import skae.estimators  # noqa: F401

    said["imported"] = forked(scores)
    said["child of a child"] = of_grandchild(forked(lambda: forked(scores)))
    said["child of a child that trained"] = of_grandchild(
        forked(lambda: (repr(scores()), forked(trained)))
    )


def after_use(said):
    """Fork after TensorFlow ran in this process: the children refuse."""
    from skae import DenoisingRegressor, ReconstructionOutlierDetector

    said["own"] = repr(scores())
    detector, loop = trained(), ReconstructionOutlierDetector(**PARAMETERS, engine="keras")
    denoiser = DenoisingRegressor(**PARAMETERS).fit(X)
    pickled = pickle.dumps(detector)
    work = {
        "one row": lambda: detector.predict(X[:1]),
        "many rows": lambda: detector.score_samples(X),
        "reconstruct": lambda: detector.reconstruct(X),
        "fit": trained,
        "fit by Keras": lambda: loop.fit(X),
        "partial_fit": lambda: detector.partial_fit(X),
        "noisy fit": lambda: denoiser.fit(X, X_val=X),
        "load": lambda: pickle.loads(pickled).predict(X[:1]),
        "child of a child": lambda: forked(lambda: detector.predict(X[:1])),
    }
    said["refusals"] = {name: forked(function) for name, function in work.items()}
    kept["detector"] = detector


def predict(rows):  # a detector among the arguments would already fail to load
    return kept["detector"].predict(rows)


def in_a_pool(said):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            said["pool"] = repr(pool.apply_async(predict, [X]).get(60))
        except RuntimeError as error:
            said["pool"] = str(error)


def after_all_kinds_of_fits(said):
    """Look for methods of others' classes that skae has replaced."""
    import keras
    from sklearn.base import clone

    from skae import ReconstructionOutlierDetector

    for engine in ("compiled", "keras"):
        detector = ReconstructionOutlierDetector(
            latent_dim=1, epochs=1, engine=engine, loss=keras.losses.Huber(), metrics=["mae"]
        )
        pickle.loads(pickle.dumps(clone(detector).fit(X[:40]))).predict(X[:40])
    before, after = kept["attributes"], attributes()
    said["replaced"] = sorted(
        name for name in {**before, **after} if before.get(name) != after.get(name)
    )


def threads():
    """Return how many threads Keras, TensorFlow and skae start, and what limits them."""
    import keras  # TensorFlow without skae, not started

    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    import skae.engine  # noqa: F401

    _ = keras.ops.ones(3) + 1
    return len(list(tasks.iterdir())) - before, *map(os.environ.get, THREADS)


def in_workers_of_joblib(said):
    said["threads"] = []
    for cores in (1, 20) if sys.platform == "linux" else ():
        with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=cores):
            said["threads"] += joblib.Parallel()([joblib.delayed(threads)()])
    said["own threads"] = os.environ.get("TF_NUM_INTRAOP_THREADS")


def tell():
    """Print what all the parts have to say."""
    said = {}
    forks = (before_any_use, after_use, in_a_pool) if hasattr(os, "fork") else ()
    for part in (before_skae, *forks, after_all_kinds_of_fits, in_workers_of_joblib):
        part(said)
    sys.stdout.write(json.dumps(said))
