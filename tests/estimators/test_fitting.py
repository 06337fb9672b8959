"""Fitting: validation, early stopping, callbacks, continued training, progress."""

import io
import pickle
import threading
from contextlib import redirect_stdout

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.estimators._scikeras import keras
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small, weights


def _assert_same_weights(one, two):
    for first, second in zip(weights(one), weights(two), strict=True):
        assert_array_equal(first, second)


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of every epoch."""

    def __init__(self, name="recorder"):
        super().__init__()
        self.name = name
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append((epoch, dict(logs)))


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("fraction", [0.2, 0.01])
def test_validation_split_holds_out_samples(kind, fraction, table):
    estimator = small(kind, validation_split=fraction, epochs=3).fit(table)
    assert len(estimator.history_["loss"]) == len(estimator.history_["val_loss"]) == 3
    if kind is ReconstructionOutlierDetector:
        assert len(estimator.training_errors_) == 60 - max(1, round(fraction * 60))


def test_validation_rows_are_drawn_at_random_and_seeded(table):
    ordered = np.repeat([[0.0], [1.0]], 30, axis=0) * np.ones(6)
    detector = small(ReconstructionOutlierDetector, validation_split=0.5, calibration="held_out")
    held = detector.fit(ordered).calibration_errors_
    # Not the last rows, which are all alike.
    assert len(np.unique(held.round(6))) == 2
    assert_array_equal(held, detector.fit(ordered).calibration_errors_)


def test_given_validation_rows_are_measured(table):
    estimator = small(AutoencoderTransformer, validation_split=0.5).fit(
        table[:40], X_val=table[40:]
    )
    assert_allclose(
        estimator.history_["val_loss"][-1],
        estimator.reconstruction_error(table[40:]).mean(),
        rtol=1e-5,
    )
    plain = small(AutoencoderTransformer).fit(table[:40])
    _assert_same_weights(estimator, plain)


def test_validation_rows_are_checked(table):
    for X_val, message in [
        (table[:, :5], "X_val has 5 features, but AutoencoderTransformer is expecting 6"),
        (np.full((3, 6), np.nan), "contains NaN"),
    ]:
        estimator = small(AutoencoderTransformer)
        before = dict(vars(estimator))
        with pytest.raises(ValueError, match=message):
            estimator.fit(table, X_val=X_val)
        assert vars(estimator) == before


def test_one_row_can_not_be_split(table):
    with pytest.raises(ValueError, match="needs at least 2, got n_samples=1; set validation_"):
        small(AutoencoderTransformer, early_stopping=True).fit(table[:1])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_pipeline_transforms_validation_rows(kind, table):
    """A scaler that has seen the training rows alone reaches the validation rows."""
    train, held = table[:40] * 100, table[40:] * 100
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("estimate", small(kind))],
            transform_input=["X_val"],
        ).fit(train, X_val=held)
    scaler = StandardScaler().fit(train)
    by_hand = small(kind).fit(scaler.transform(train), X_val=scaler.transform(held))
    assert pipeline[-1].history_ == by_hand.history_
    assert "val_loss" in by_hand.history_
    _assert_same_weights(pipeline[-1], by_hand)


def test_search_routes_weights_and_validation_rows(table):
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = small(AutoencoderTransformer)
        estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(estimator, {"latent_dim": [1, 2]}, cv=2, error_score="raise")
        search.fit(table, sample_weight=np.arange(60.0), X_val=table[:10])
    assert "val_loss" in search.best_estimator_.history_


def test_codes_are_no_metadata():
    methods = AutoencoderTransformer().get_metadata_routing()._serialize()
    assert sorted(methods) == ["fit", "partial_fit", "score"]
    assert not hasattr(AutoencoderTransformer, "set_inverse_transform_request")


@pytest.mark.parametrize(
    ("kind", "engine"),
    [*((kind, "auto") for kind in ESTIMATORS), (AutoencoderTransformer, "keras")],
)
def test_early_stopping_restores_the_best_weights(kind, engine, table):
    # So fast that the loss rises again.
    estimator = small(
        kind,
        epochs=40,
        batch_size=32,
        early_stopping=True,
        patience=2,
        optimizer="sgd",
        optimizer__learning_rate=0.9,
        optimizer__momentum=0.95,
        output_activation="sigmoid",
        engine=engine,
    ).fit(table[:40], X_val=table[40:])
    losses = estimator.history_["val_loss"]
    best = int(np.argmin(losses))
    assert estimator.n_iter_ == len(losses) == best + 3 < 40
    if kind is AutoencoderTransformer:
        error = estimator.reconstruction_error(table[40:]).mean()
        assert_allclose(error, losses[best], rtol=1e-5)
        assert abs(error - losses[-1]) > 1e-6


def test_early_stopping_takes_a_tenth_without_validation_rows(table):
    detector = small(ReconstructionOutlierDetector, early_stopping=True).fit(table)
    assert len(detector.training_errors_) == 54
    assert "val_loss" in detector.history_
    split = small(ReconstructionOutlierDetector, early_stopping=True, validation_split=0.5)
    assert len(split.fit(table).training_errors_) == 30


class Pruned(Exception):
    """What a study raises to stop a trial."""


class _Pruning(keras.callbacks.Callback):
    """Reports to what it was given, as Optuna's callback does, and holds what can't be copied."""

    def __init__(self, reported, stream, prune_at=None):
        super().__init__()
        self.reported, self.stream, self.prune_at = reported, stream, prune_at
        self.lock = threading.Lock()

    def on_epoch_end(self, epoch, logs=None):
        self.reported.append(logs["loss"])
        self.stream.write(f"{epoch}\n")
        if epoch == self.prune_at:
            raise Pruned(f"pruned at {epoch}")


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_the_callers_own_callbacks_run(engine, table, tmp_path):
    reported = []
    with (tmp_path / "log.txt").open("w") as stream:
        callback = _Pruning(reported, stream)
        estimator = small(AutoencoderTransformer, callbacks=[callback], epochs=3, engine=engine)
        estimator.fit(table)
        assert estimator.callbacks_ == [callback]
        assert reported == pytest.approx(estimator.history_["loss"])
        estimator.fit(table)
        assert len(reported) == 6
        callback.prune_at = 1
        with pytest.raises(Pruned, match="pruned at 1"):
            estimator.fit(table)
    assert (tmp_path / "log.txt").read_text().split() == [*"012012", *"01"]


def test_clones_have_callbacks_that_point_to_the_same(table):
    reported = []
    callback = _Pruning(reported, io.StringIO())
    estimator = small(ReconstructionOutlierDetector, callbacks=[callback], epochs=2)
    twin = clone(Pipeline([("detect", estimator)]))["detect"]
    assert twin.callbacks[0] is not callback
    assert twin.callbacks[0].reported is reported
    twin.fit(table)
    assert callback.model is None
    search = GridSearchCV(
        estimator, {"latent_dim": [1, 2]}, scoring=lambda e, X, y=None: e.score(X), cv=2
    )
    search.fit(table)
    assert len(reported) == 2 + 2 * (2 * 2 + 1)


def test_callbacks_by_routing(table):
    estimator = small(
        AutoencoderTransformer,
        callbacks=keras.callbacks.EarlyStopping,
        callbacks__monitor="loss",
        callbacks__patience=1,
        callbacks__min_delta=1e9,
        epochs=9,
    ).fit(table)
    assert estimator.n_iter_ == 2
    assert estimator.set_params(callbacks__patience=4).fit(table).n_iter_ == 5
    by_name = small(
        AutoencoderTransformer,
        callbacks={"stop": keras.callbacks.EarlyStopping, "record": Recorder},
        callbacks__stop__monitor="loss",
        callbacks__stop__patience=2,
        callbacks__stop__min_delta=1e9,
        callbacks__record__name="mine",
        epochs=9,
    ).fit(table)
    assert by_name.n_iter_ == 3
    assert [c.name for c in by_name.callbacks_ if isinstance(c, Recorder)] == ["mine"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_callbacks_work(tmp_path, table):
    estimator = small(
        AutoencoderTransformer,
        epochs=4,
        validation_split=0.2,
        optimizer__learning_rate=0.5,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.weights.h5", save_weights_only=True),
            keras.callbacks.TerminateOnNaN(),
        ],
    ).fit(table)
    assert float(estimator.model_.optimizer.learning_rate) < 0.5
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5
    assert (tmp_path / "best.weights.h5").exists()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_warm_start_goes_on(kind, table):
    once = small(kind, epochs=2, warm_start=True).fit(table)
    state = weights(once)
    once.fit(table)
    assert once.n_iter_ == 4
    assert any((a != b).any() for a, b in zip(state, weights(once), strict=True))
    cold = small(kind, epochs=2).fit(table)
    assert_array_equal(output(cold.fit(table), table), output(small(kind).fit(table), table))


def test_warm_start_takes_what_was_set_since(table):
    estimator = small(AutoencoderTransformer, warm_start=True).fit(table)
    state = weights(estimator)
    estimator.set_params(optimizer="sgd", optimizer__learning_rate=0.0, epochs=1).fit(table)
    for now, then in zip(weights(estimator), state, strict=True):
        assert_array_equal(now, then)


def test_warm_start_refuses_other_columns(table):
    estimator = small(AutoencoderTransformer, warm_start=True).fit(table)
    with pytest.raises(ValueError, match="X has 5 features, but .* is expecting 6 features"):
        estimator.fit(table[:, :5])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_partial_fit_is_an_epoch_at_a_time(kind, table):
    """So many calls on the same rows are a fit of so many epochs."""
    whole = small(kind, epochs=3).fit(table)
    parts = small(kind, epochs=99)
    for number in range(3):
        assert parts.partial_fit(table) is parts
        assert parts.n_iter_ == number + 1
    _assert_same_weights(whole, parts)
    assert_array_equal(output(whole, table), output(parts, table))
    assert_allclose(parts.history_["loss"], whole.history_["loss"], rtol=1e-6)


def test_partial_fit_takes_pieces_of_any_size(table):
    estimator = small(AutoencoderTransformer)
    for part in np.split(table, [1, 4, 40]):
        estimator.partial_fit(part)
    assert estimator.n_iter_ == 4
    assert estimator.transform(table).shape == (60, 2)
    with pytest.raises(ValueError, match="is expecting 6 features"):
        estimator.partial_fit(table[:, :5])


def test_partial_fit_in_a_pipeline_step_after_fit(table):
    pipeline = make_pipeline(MinMaxScaler(), small(ReconstructionOutlierDetector)).fit(table)
    pipeline[-1].partial_fit(pipeline[0].transform(table))
    assert pipeline[-1].n_iter_ == 3


def test_fit_returns_the_estimator(table):
    for kind in ESTIMATORS:
        estimator = small(kind, epochs=1)
        assert estimator.fit(table) is estimator


def test_metrics_are_in_the_history_by_the_names_of_keras(table):
    estimator = small(
        AutoencoderTransformer, metrics=["mae", "cosine_similarity"], validation_split=0.2
    ).fit(table)
    assert set(estimator.history_) == {
        *("loss", "mae", "cosine_similarity"),
        *("val_loss", "val_mae", "val_cosine_similarity"),
    }
    assert all(
        isinstance(value, float) for values in estimator.history_.values() for value in values
    )
    single = small(AutoencoderTransformer, metrics="mae").fit(table)
    assert set(single.history_) == {"loss", "mae"}
    routed = small(
        AutoencoderTransformer, metrics=keras.metrics.MeanAbsoluteError, metrics__name="mine"
    ).fit(table)
    assert_allclose(routed.history_["mine"], single.history_["mae"])


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_verbose_shows_one_bar(engine, table, capsys):
    small(AutoencoderTransformer, verbose=0, epochs=3, engine=engine).fit(table)
    assert capsys.readouterr() == ("", "")
    shown = io.StringIO()
    with redirect_stdout(shown):
        small(AutoencoderTransformer, verbose=1, epochs=3, engine=engine).fit(table)
    assert shown.getvalue().rstrip().count("\n") == 0
    assert "3/3" in shown.getvalue()
    assert "loss" in shown.getvalue()


def test_engine_is_reported_and_chosen(table):
    assert small(AutoencoderTransformer).fit(table).engine_ == "compiled"
    assert small(AutoencoderTransformer, engine="keras").fit(table).engine_ == "keras"

    class Batchwise(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert small(AutoencoderTransformer, callbacks=[Batchwise()]).fit(table).engine_ == "keras"
    with pytest.raises(ValueError, match="engine='compiled' can't train this model: Batchwise"):
        small(AutoencoderTransformer, callbacks=[Batchwise()], engine="compiled").fit(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_engines_agree(kind, table):
    compiled, loop = (
        small(kind, engine=engine, validation_split=0.2, metrics=["mae"]).fit(table)
        for engine in ("compiled", "keras")
    )
    for one, two in zip(weights(compiled), weights(loop), strict=True):
        assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    for name, values in loop.history_.items():
        assert_allclose(compiled.history_[name], values, rtol=1e-4)


def test_a_function_may_compile_its_model_itself(table):
    def build(input_shape, compile_kwargs):
        model = tutorial_models.functional(2, input_shape)
        model.compile("sgd", "mae")
        return model

    estimator = small(AutoencoderTransformer, model=build).fit(table)
    assert estimator.model_.optimizer.name.startswith("sgd")
    assert_allclose(
        estimator.reconstruction_error(table),
        np.abs(estimator.reconstruct(table) - table).mean(axis=1),
        rtol=1e-5,
    )


@pytest.mark.parametrize("way", ["partial_fit", "warm start", "another rate"])
def test_layers_that_were_frozen_stay_as_they_are(way, table):
    """Whoever goes on training a fitted model, as in transfer learning, freezes part of it."""
    estimator = small(AutoencoderTransformer, warm_start=way != "partial_fit").fit(table)
    estimator.encoder_.trainable = False
    before = [estimator.encoder_.get_weights(), estimator.decoder_.get_weights()]
    if way == "another rate":
        estimator.set_params(optimizer__learning_rate=0.1)
    for _ in range(2):
        (estimator.partial_fit if way == "partial_fit" else estimator.fit)(table)
    after = [estimator.encoder_.get_weights(), estimator.decoder_.get_weights()]
    for old, new in zip(before[0], after[0], strict=True):
        assert_array_equal(new, old)
    assert not np.array_equal(before[1][0], after[1][0])
    copied = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(copied.transform(table), estimator.transform(table))
