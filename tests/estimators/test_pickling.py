"""Pickles keep results bit for bit, also in a fresh process, and store weights once."""

import copy
import importlib.metadata
import io
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.estimators._scikeras import keras
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small, weights

ROOT = Path(__file__).parents[2]


def _through_joblib(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "oldest protocol": lambda estimator: pickle.loads(pickle.dumps(estimator, protocol=2)),
    "joblib": _through_joblib,
    "deepcopy": copy.deepcopy,
    "cloudpickle": lambda estimator: cloudpickle.loads(cloudpickle.dumps(estimator)),
}


class Power(keras.losses.Loss):
    """A loss with a parameter that its configuration leaves out."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def call(self, y_true, y_pred):
        return keras.ops.mean(abs(y_true - y_pred) ** self.power, axis=-1)


class Cubed(keras.metrics.MeanSquaredError):
    """A metric that Keras has no name for."""


class Slower(keras.optimizers.Adam):
    """An optimizer that Keras has no name for."""


def _assert_same(copied, estimator, X):
    assert copied is not estimator
    assert_array_equal(output(copied, X), output(estimator, X))
    assert_array_equal(output(copied, X[:1]), output(estimator, X[:1]))
    if hasattr(estimator, "inverse_transform"):
        codes = estimator.transform(X)
        assert_array_equal(copied.inverse_transform(codes), estimator.inverse_transform(codes))
    if hasattr(estimator, "threshold_"):
        assert copied.threshold_ == estimator.threshold_
        assert_array_equal(copied.predict(X), estimator.predict(X))
    assert copied.history_ == estimator.history_
    assert copied.n_iter_ == estimator.n_iter_
    assert copied.engine_ == estimator.engine_


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("way", COPIES)
def test_copies_give_the_same(kind, way, table, fitted):
    _assert_same(COPIES[way](fitted[kind]), fitted[kind], table)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("way", COPIES)
def test_unfitted_copies_stay_unfitted(kind, way):
    estimator = small(kind, model=tutorial_models.Bottleneck, model__width=2)
    copied = COPIES[way](estimator)
    assert not hasattr(copied, "model_")
    assert copied.get_params() == estimator.get_params()


@pytest.mark.parametrize("way", COPIES)
def test_copies_of_a_custom_class_give_the_same(way, table):
    estimator = small(
        AutoencoderTransformer, model=tutorial_models.Bottleneck, model__dropout=0.2
    ).fit(table)
    copied = COPIES[way](estimator)
    _assert_same(copied, estimator, table)
    assert copied.model is tutorial_models.Bottleneck
    assert type(copied.model_) is tutorial_models.Bottleneck


@pytest.fixture(scope="module")
def pickled(tmp_path_factory, fitted, table):
    """Return a folder with every estimator, a custom model and what they are to give."""
    folder = tmp_path_factory.mktemp("pickled")
    custom = small(AutoencoderTransformer, model=tutorial_models.Bottleneck).fit(table)
    estimators = [*fitted.values(), custom]
    results = [output(estimator, table) for estimator in estimators]
    continued = [output(_continued(estimator, table), table) for estimator in estimators]
    (folder / "estimators.pkl").write_bytes(pickle.dumps(estimators))
    joblib.dump(estimators, folder / "estimators.joblib")
    (folder / "expected.pkl").write_bytes(pickle.dumps((table, results, continued)))
    return folder


def _continued(estimator, X):
    return copy.deepcopy(estimator).partial_fit(X)


_FRESH_PROCESS = """
import pickle, sys
from pathlib import Path
import joblib
import numpy as np
from tests.estimators._cases import output
folder = Path(sys.argv[1])
X, results, continued = pickle.loads((folder / "expected.pkl").read_bytes())
for estimators in (
    pickle.loads((folder / "estimators.pkl").read_bytes()),
    joblib.load(folder / "estimators.joblib"),
):
    for estimator, result, later in zip(estimators, results, continued, strict=True):
        np.testing.assert_array_equal(output(estimator, X), result)
        np.testing.assert_array_equal(output(estimator.partial_fit(X), X), later)
print("same")
"""


def test_fresh_process_gives_the_same(pickled):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FRESH_PROCESS, str(pickled)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("same\n"), done.stderr


@pytest.mark.parametrize("params", [{}, {"model": tutorial_models.functional}])
def test_encoder_stays_the_models_own(params, table):
    estimator = small(AutoencoderTransformer, **params).fit(table)
    copied = pickle.loads(pickle.dumps(estimator))
    own = {id(variable) for variable in copied.model_.variables}
    for part in (copied.encoder_, copied.decoder_):
        assert {id(variable) for variable in part.trainable_variables} <= own
    before = copied.transform(table)
    copied.partial_fit(table)
    assert not np.array_equal(copied.transform(table), before)
    codes = copied.transform(table)
    np.testing.assert_allclose(
        copied.inverse_transform(codes), copied.reconstruct(table), rtol=1e-5, atol=1e-6
    )
    assert_array_equal(estimator.transform(table), before)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("noise", ["gaussian", keras.layers.Dropout(0.3)])
def test_training_on_after_a_pickle_equals_training_on(kind, noise, table):
    estimator = small(kind, noise=noise).fit(table)
    copied = pickle.loads(pickle.dumps(estimator))
    twice = pickle.loads(pickle.dumps(copied))
    results = [
        output(candidate.partial_fit(table).partial_fit(table[:40]), table)
        for candidate in (estimator, copied, twice)
    ]
    assert_array_equal(results[1], results[0])
    assert_array_equal(results[2], results[0])


def test_warm_start_after_a_pickle_equals_without(table):
    estimator = small(AutoencoderTransformer, warm_start=True).fit(table)
    copied = pickle.loads(pickle.dumps(estimator))
    for one, two in zip(weights(estimator.fit(table)), weights(copied.fit(table)), strict=True):
        assert_array_equal(one, two)


def _local_class():
    class Local(tutorial_models.Bottleneck):
        pass

    return Local


def _scaled_error(y_true, y_pred):
    return 2 * keras.ops.abs(y_true - y_pred)


_scaled_error.__module__ = "__main__"


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Has no configuration, and Keras knows no name for it."""

    def __call__(self, step):
        return 0.01 / (1 + keras.ops.cast(step, "float32"))


class _Loss(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def _closure(width):
    def make(input_shape):
        layers = [keras.Input(input_shape), keras.layers.Dense(width), keras.layers.Dense(6)]
        return keras.Sequential(layers)

    return make


UNNAMED = {
    "class": lambda: {"model": _local_class()},
    "closure": lambda: {"model": _closure(3)},
    "loss": lambda: {"loss": _scaled_error},
    "loss object": lambda: {"loss": _Loss(3.0)},
    "error": lambda: {"error": lambda x, r: abs(x - r)},
    "schedule": lambda: {"optimizer": keras.optimizers.SGD(_Schedule())},
    "metrics": lambda: {"metrics": [_scaled_error]},
}
WAYS = {**COPIES, "twice": lambda e: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(e))))}


@pytest.fixture(scope="module", params=UNNAMED)
def unnamed(request, table):
    detector = small(ReconstructionOutlierDetector, epochs=1, **UNNAMED[request.param]())
    return detector, clone(detector).fit(table)


@pytest.mark.parametrize("way", WAYS)
def test_what_pickle_can_not_name_is_pickled_by_value(unnamed, way, table):
    before, fit = unnamed
    copied = WAYS[way](fit)
    assert_array_equal(copied.score_samples(table), fit.score_samples(table))
    assert copied.partial_fit(table).n_iter_ == fit.n_iter_ + 1
    assert_array_equal(WAYS[way](before).fit(table).score_samples(table), fit.score_samples(table))


def test_a_parameter_that_no_pickle_takes_is_named():
    lock = threading.Lock()
    estimator = small(AutoencoderTransformer, loss=lambda t, p: (lock, t - p)[1])
    with pytest.raises(pickle.PicklingError, match="loss can't be pickled: .*lock"):
        pickle.dumps(estimator)


class _Threaded(keras.callbacks.Callback):
    """Holds what no pickle can hold, as TensorBoard does."""

    def on_train_begin(self, logs=None):
        self.thread = threading.Thread(target=lambda: None)
        self.thread.start()
        self.lock = threading.Lock()

    def on_train_end(self, logs=None):
        self.thread.join()


# Keras's own archive is behind NumPy.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pickle_after_callbacks_that_held_files_and_threads(tmp_path, table):
    estimator = small(
        AutoencoderTransformer,
        callbacks=[
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            _Threaded(),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
        ],
        validation_split=0.2,
    ).fit(table)
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss,val_loss")
    assert (tmp_path / "best.keras").exists()
    copied = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(copied.transform(table), estimator.transform(table))
    assert_array_equal(copied.fit(table).transform(table), estimator.transform(table))


def test_a_pickle_of_other_versions_is_loaded_with_a_warning(table, fitted, monkeypatch):
    estimator = fitted[AutoencoderTransformer]
    pickled = pickle.dumps(estimator)
    monkeypatch.setattr(keras, "__version__", "4.0.0")
    with pytest.warns(InconsistentVersionWarning, match=r"from version skae .* Keras 3\..* 4\.0"):
        loaded = pickle.loads(pickled)
    assert_array_equal(loaded.transform(table), estimator.transform(table))


def test_pickle_is_small(table, fitted):
    """It holds arrays and a recipe, not a Keras archive."""
    assert len(pickle.dumps(fitted[ReconstructionOutlierDetector])) < 12_000


def test_pickle_does_not_change_the_estimator(table, fitted):
    estimator = fitted[AutoencoderTransformer]
    before = dict(vars(estimator))
    pickle.dumps(estimator)
    assert vars(estimator) == before


@pytest.mark.parametrize("way", [*COPIES, "clone"])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_user_defined_objects_survive_pickling(way, is_fitted, table):
    """SciKeras makes strings of them."""
    given = {"loss": Power(3.0), "metrics": [Cubed()], "optimizer": Slower(0.25)}
    estimator = small(AutoencoderTransformer, **given)
    if is_fitted:
        estimator.fit(table)
    copied = {**COPIES, "clone": clone}[way](estimator)
    assert (type(copied.loss), copied.loss.power) == (Power, 3.0)
    assert [type(metric) for metric in copied.metrics] == [Cubed]
    assert type(copied.optimizer) is Slower
    assert float(copied.optimizer.learning_rate) == 0.25
    history = estimator.fit(table).history_
    assert copied.fit(table).history_ == history


def test_a_search_sends_user_defined_objects_to_its_workers(table):
    search = GridSearchCV(
        small(AutoencoderTransformer, loss=Power(3.0)),
        {"latent_dim": [1, 2]},
        cv=2,
        n_jobs=2,
        error_score="raise",
    )
    assert search.fit(table).best_estimator_.loss.power == 3.0


def test_a_package_without_metadata_is_pickled(monkeypatch, fitted):
    """From a zip file, a frozen application, or a folder on the path."""

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    for estimator in fitted.values():
        pickle.loads(pickle.dumps(estimator))
        copy.deepcopy(estimator)
        joblib.hash(estimator)
