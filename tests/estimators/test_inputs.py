"""Inputs: shapes and containers that work, and errors for invalid input."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.utils._testing import set_random_state

from skae import AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector
from skae.estimators._scikeras import keras
from skae.exceptions import NonFiniteLossError
from tests.estimators._cases import ESTIMATORS, output, small, weights

TOO_LARGE = 1e39


def _fit(kind, X, **params):
    return small(kind, epochs=1, **params).fit(X)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("n_samples", [1, 2, 31, 33, 200])
def test_any_number_of_rows(kind, n_samples):
    # 33 and 200 leave a last batch of one and of eight; 1 and 31 are fewer than a batch.
    X = np.random.default_rng(0).uniform(size=(n_samples, 5))
    estimator = _fit(kind, X, batch_size=32)
    assert len(output(estimator, X)) == n_samples
    assert np.isfinite(output(estimator, X)).all()
    if kind is ReconstructionOutlierDetector:
        assert estimator.training_errors_.shape == (n_samples,)


def test_short_last_batch_is_trained_on(table):
    """Without shuffling, the last row alone makes the second step."""
    first, both = (
        small(AutoencoderTransformer, epochs=1, batch_size=59, shuffle=False).fit(X)
        for X in (table[:59], table)
    )
    assert any((a != b).any() for a, b in zip(weights(first), weights(both), strict=True))


@pytest.mark.filterwarnings("ignore:latent_dim=1 is not below:UserWarning")
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_one_column(kind):
    X = np.random.default_rng(0).uniform(size=(40, 1))
    estimator = _fit(kind, X, latent_dim=1)
    assert len(output(estimator, X)) == 40


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_constant_columns(kind):
    X = np.random.default_rng(0).uniform(size=(40, 4))
    X[:, 1] = 0
    X[:, 3] = 7
    estimator = _fit(kind, X)
    assert np.isfinite(output(estimator, X)).all()
    constant = _fit(kind, np.ones((10, 4)))
    assert np.isfinite(output(constant, np.ones((10, 4)))).all()


@pytest.fixture(scope="module")
def as_memmap(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("memmap") / "table.npy"
    np.save(path, table)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_containers_and_layouts_give_the_same(kind, table, frame, as_memmap, fitted):
    expected = output(fitted[kind], table)
    listed = small(kind).fit(table.tolist())  # of float64, as the output is then
    assert_allclose(output(listed, table.tolist()), expected, rtol=2e-7, atol=2e-7)
    containers = [
        np.asfortranarray(table),
        as_memmap,
        np.repeat(table, 2, axis=0)[::2],
        keras.ops.convert_to_tensor(table),
    ]
    for X in containers:
        estimator = small(kind).fit(X)
        assert_array_equal(output(estimator, X), expected)
    for named in (frame, pl.from_pandas(frame)):
        estimator = small(kind).fit(named)
        assert_array_equal(output(estimator, named), expected)
        assert list(estimator.feature_names_in_) == list(frame.columns)
    assert not table.flags.writeable


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_float_types(kind, table, fitted):
    wide = small(kind).fit(table.astype(np.float64))
    assert_allclose(
        output(wide, table.astype(np.float64)), output(fitted[kind], table), atol=1e-6, rtol=1e-5
    )
    if hasattr(wide, "transform"):
        assert wide.transform(table).dtype == np.float32
        assert wide.transform(table.astype(np.float64)).dtype == np.float64
        assert wide.inverse_transform(wide.transform(table)).dtype == np.float32
    integers = (100 * table).astype(np.int64)
    assert len(output(_fit(kind, integers), integers)) == len(table)
    halves = table.astype(np.float16)
    assert len(output(_fit(kind, halves), halves)) == len(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_columns_in_another_order_are_refused(kind, frame):
    estimator = _fit(kind, frame)
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        output(estimator, frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        output(estimator, frame.drop(columns="sensor_2"))
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        output(estimator, frame.rename(columns={"sensor_2": "sensor_two"}))
    with pytest.raises(ValueError, match="must be in the same order"):
        estimator.partial_fit(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        output(estimator, frame.to_numpy())


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_large_values_within_float32(kind, table):
    large = 1e8 * table.astype(np.float64)
    assert np.isfinite(output(_fit(kind, large), large)).all()
    huge = 1e30 * table.astype(np.float64)
    assert np.isfinite(output(_fit(kind, huge), huge)).all()
    # Their squares are beyond float32, so no squared error can be measured; never silently.
    with pytest.raises(NonFiniteLossError, match="epoch 1: .*inputs that are not scaled"):
        _fit(kind, huge, scale=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_values_to_predict(dtype, table):
    """Their squares overflow, which is not an error and not worth a warning."""
    detector = small(ReconstructionOutlierDetector, loss="mae").fit(table)
    largest = np.full((2, table.shape[1]), 1e36, dtype)
    np.testing.assert_allclose(detector.predict(largest), -1)
    np.testing.assert_allclose(
        detector.decision_function(np.asfortranarray(table)), detector.decision_function(table)
    )


def _bad_tables(table):
    wrong = {
        "nan": (np.where(table == table[3, 2], np.nan, table), "contains NaN"),
        "inf": (np.where(table == table[3, 2], np.inf, table), "contains infinity"),
        "beyond float32": (
            np.where(table == table[3, 2], TOO_LARGE, table.astype(np.float64)),
            r"too large for dtype\('float32'\): the largest magnitude is 1e\+39.*Scale X",
        ),
        "complex": (table + 1j, "Complex data not supported"),
        "strings": (np.full((10, 6), "a"), "could not convert string to float|numeric"),
        "objects": (np.full((10, 6), {}, dtype=object), "must be a string or a real number"),
        "no rows": (table[:0], r"Found array with 0 sample\(s\).*a minimum of 1 is required"),
        "no columns": (table[:, :0], r"Found array with 0 feature\(s\)"),
        "one axis": (table[0], "Expected 2D array, got 1D array"),
        "scalar": (np.float64(3), "Expected 2D array, got scalar array"),
        "no images": (np.zeros((0, 3, 2)), r"Found array with 0 sample\(s\)"),
        "ragged": ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    }
    return wrong.items()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_bad_rows_are_refused_and_leave_no_trace(kind, table):
    for name, (X, message) in _bad_tables(table):
        estimator = small(kind)
        before = dict(vars(estimator))
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            estimator.fit(X)
        assert vars(estimator) == before, name
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            estimator.partial_fit(X)
        assert vars(estimator) == before, name


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_bad_rows_are_refused_by_a_fitted_estimator(kind, table, fitted):
    estimator = fitted[kind]
    expected = output(estimator, table)
    before = dict(vars(estimator))
    for name, (X, message) in _bad_tables(table):
        if name in {"no columns", "no images"}:
            message = r"feature\(s\)|samples of shape"  # noqa: PLW2901
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            output(estimator, X)
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            estimator.partial_fit(X)
        assert vars(estimator) == before, name
    with pytest.raises(ValueError, match="X has 5 features, but .* is expecting 6 features"):
        output(estimator, table[:, :5])
    assert_array_equal(output(estimator, table), expected)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_unfitted_estimator_says_so(kind, table):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        output(small(kind), table)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_bad_weights_are_refused(kind, table):
    for sample_weight, message in [
        (-np.ones(60), "Negative values in data passed to `sample_weight`"),
        (np.zeros(60), "at least one non-zero number|sample_weight is zero for every sample"),
        (np.ones(59), r"sample_weight.shape == \(59,\), expected \(60,\)"),
        (np.full(60, np.nan), "sample_weight contains NaN"),
    ]:
        estimator = small(kind)
        before = dict(vars(estimator))
        with pytest.raises(ValueError, match=message):
            estimator.fit(table, sample_weight=sample_weight)
        assert vars(estimator) == before


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(20, 4, 3, 2))


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_images_go_in_and_come_out(kind, images):
    estimator = _fit(kind, images)
    flat = images.reshape(20, 24)
    assert estimator.n_features_in_ == 24
    name = "predict" if kind is DenoisingRegressor else "reconstruct"
    run = getattr(estimator, name)
    assert run(images).shape == images.shape
    assert run(flat).shape == flat.shape
    assert_array_equal(run(images).reshape(20, 24), run(flat))
    if hasattr(estimator, "inverse_transform"):
        assert estimator.inverse_transform(estimator.transform(images)).shape == images.shape
    with pytest.raises(ValueError, match=r"samples of shape \(2, 3, 4\).*fitted on samples of sha"):
        run(images.transpose(0, 3, 2, 1))
    bad = images.copy()
    bad[2, 1, 1, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        run(bad)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_input_shape_makes_images_of_flat_rows(kind, images):
    flat = images.reshape(20, 24)
    estimator = _fit(kind, flat, input_shape=(4, 3, 2))
    assert estimator.model_.input_shape == (None, 4, 3, 2)
    assert_array_equal(
        output(estimator, flat),
        output(_fit(kind, images), images).reshape(output(estimator, flat).shape),
    )
    if hasattr(estimator, "reconstruct"):
        assert estimator.reconstruct(flat).shape == flat.shape


@pytest.mark.parametrize(
    ("input_shape", "message"),
    [
        ((5, 5), r"input_shape=\(5, 5\) holds 25 values, but X has 6 features"),
        ((2, -3), r"must be a tuple of positive integers, got \(2, -3\)"),
        ((2.0, 3), r"must be a tuple of positive integers"),
        (6, "'input_shape' parameter of AutoencoderTransformer must be"),
    ],
)
def test_input_shape_that_does_not_fit(input_shape, message, table):
    estimator = small(AutoencoderTransformer, input_shape=input_shape)
    with pytest.raises(ValueError, match=message):
        estimator.fit(table)
    assert not hasattr(estimator, "n_features_in_")


def test_codes_that_do_not_fit(table, fitted):
    estimator = fitted[AutoencoderTransformer]
    for codes, message in [
        (np.zeros((3, 5)), "Z has 5 values per sample.*fitted with codes of 2"),
        (np.full((3, 2), np.nan), "Input Z contains NaN"),
        (np.zeros(2), "Expected 2D array"),
        (np.zeros((0, 2)), "0 sample"),
    ]:
        with pytest.raises(ValueError, match=message):
            estimator.inverse_transform(codes)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_results_do_not_depend_on_the_batch(kind, fitted):
    """Row by row, in pieces or at once: the same to rounding, however many rows there are."""
    X = np.random.default_rng(1).uniform(size=(700, 6))
    at_once = output(fitted[kind], X)
    in_pieces = np.concatenate([output(fitted[kind], part) for part in np.split(X, [1, 4, 333])])
    assert_allclose(in_pieces, at_once, rtol=1e-5, atol=1e-6)


def test_set_random_state_of_scikit_learn_reaches_the_estimator(table):
    estimator = small(AutoencoderTransformer, random_state=None)
    set_random_state(estimator)
    assert estimator.random_state == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: X[:, :-1], "X_val has 5 features"),
        (lambda X: np.where(X > 0.5, np.nan, X), "X_val.* contains NaN"),
        (lambda X: X * 1e300, "X_val contains infinity or a value too large"),
        (lambda X: X.reshape(-1, 2, 3), "X_val has samples of shape"),
        (lambda X: None if X is None else [{"a": 1}], "X_val is a list of dicts"),
    ],
)
def test_errors_about_validation_samples_call_them_so(spoil, message, table):
    spoiled = spoil(table.astype(np.float64))
    with pytest.raises((ValueError, TypeError), match=message):
        small(AutoencoderTransformer).fit(table, X_val=spoiled)


def test_errors_about_validation_targets_call_them_so(table):
    denoiser = small(DenoisingRegressor)
    with pytest.raises(ValueError, match="X_val has 60 samples and y_val has 59"):
        denoiser.fit(table, table, X_val=table, y_val=table[1:])
    with pytest.raises(ValueError, match="y_val.* contains NaN"):
        denoiser.fit(table, table, X_val=table, y_val=np.full_like(table, np.nan))


def test_warnings_about_names_of_validation_samples_call_them_so(table, frame):
    for X, X_val, message in [
        (frame, table, "X_val does not have valid feature names"),
        (table, frame, "X_val has feature names"),
    ]:
        with pytest.warns(UserWarning, match=message) as caught:
            small(AutoencoderTransformer, epochs=1).fit(X, X_val=X_val)
        files = [each.filename for each in caught if "feature names" in str(each.message)]
        assert files == [__file__]
