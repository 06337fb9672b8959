"""Pictures of rows: images, signals, errors by feature."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.inspection import (
    FeatureErrorDisplay,
    ReconstructionDisplay,
    SignalReconstructionDisplay,
)
from tests.inspection.conftest import TINY


def drawn(artists):
    return np.stack([np.asarray(image.get_array()) for image in artists])


def labels_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_originals_stand_over_reconstructions(coder, images):
    display = ReconstructionDisplay.from_estimator(coder, images, n_images=5)
    np.testing.assert_array_equal(drawn(display.images_[0]), images[:5])
    np.testing.assert_allclose(drawn(display.images_[1]), coder.reconstruct(images[:5]))
    assert labels_of(display.ax_.yaxis) == ["original", "reconstruction"]
    top, bottom = (row[0].get_extent()[3] for row in display.images_)
    assert top < bottom
    assert display.ax_.yaxis_inverted()


def test_noisy_denoised_and_clean(denoiser, images):
    noisy = images + 5.0
    display = ReconstructionDisplay.from_estimator(denoiser, noisy, images, n_images=3)
    assert labels_of(display.ax_.yaxis) == ["noisy", "denoised", "clean"]
    np.testing.assert_allclose(drawn(display.images_[1]), denoiser.predict(noisy[:3]))
    np.testing.assert_array_equal(drawn(display.images_[2]), images[:3])
    low, high = images[:3].min(), images[:3].max()
    assert {image.get_clim() for image in display.images_.ravel()} == {(low, high)}
    two = ReconstructionDisplay.from_estimator(denoiser, noisy, n_images=3)
    assert labels_of(two.ax_.yaxis) == ["noisy", "denoised"]


def test_pixels_are_square(images):
    display = ReconstructionDisplay.from_predictions(images, images, n_images=2)
    display.figure_.canvas.draw()
    image = display.images_[0, 0]
    box = image.get_window_extent()
    assert box.height / box.width == pytest.approx(4 / 3, rel=1e-3)


def test_flat_rows_need_the_shape_of_an_image(images):
    flat = images.reshape(24, 12)
    with pytest.raises(ValueError, match=r"samples of X have shape \(12,\), which is no image"):
        ReconstructionDisplay.from_predictions(flat, flat)
    with pytest.raises(ValueError, match=r"image_shape=\(5, 3\) holds 15 values.*have 12 each"):
        ReconstructionDisplay.from_predictions(flat, flat, image_shape=(5, 3))
    display = ReconstructionDisplay.from_predictions(flat, flat, image_shape=(4, 3, 1))
    np.testing.assert_array_equal(drawn(display.images_[1]), images[:10])


def test_columns_have_labels_and_images_keywords(images):
    display = ReconstructionDisplay.from_predictions(
        images,
        images,
        n_images=2,
        column_labels=["shoe", "bag", "shirt"],
        image_kwargs={"cmap": "viridis", "vmax": 2.0},
    )
    assert labels_of(display.ax_.xaxis) == ["shoe", "bag"]
    assert display.images_[0, 0].get_cmap().name == "viridis"
    assert display.images_[1, 1].get_clim()[1] == 2.0


def test_rows_of_any_images_in_colour(rng):
    colour = rng.uniform(size=(5, 4, 4, 3))
    display = ReconstructionDisplay([colour[:3], colour[3:]]).plot()
    assert display.images_.shape == (2, 3)
    assert display.images_[1, 2] is None
    assert labels_of(display.ax_.yaxis) == []


def test_a_signal_its_reconstruction_and_the_error_between(detector, frame):
    display = SignalReconstructionDisplay.from_estimator(detector, frame, row=7)
    signal, again = frame.to_numpy()[7], detector.reconstruct(frame)[7]
    np.testing.assert_array_equal(display.signal_line_.get_ydata(), signal)
    np.testing.assert_allclose(display.reconstruction_line_.get_ydata(), again, rtol=1e-5)
    corners = display.error_fill_.get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(max(signal.max(), again.max()), rel=1e-5)
    error = np.abs(signal - again).mean()
    assert display.ax_.get_title() == f"mean absolute error {error:.3g}"


def test_a_signal_over_time_with_its_own_keywords():
    display = SignalReconstructionDisplay.from_predictions(
        [1.0, 2.0],
        [1.5, 2.5],
        time=[0.1, 0.2],
        signal_kwargs={"lw": 3},
        reconstruction_kwargs={"ls": ":"},
        fill_kwargs={"facecolor": "green"},
    )
    np.testing.assert_array_equal(display.signal_line_.get_xdata(), [0.1, 0.2])
    assert display.signal_line_.get_linewidth() == 3
    assert display.reconstruction_line_.get_linestyle() == ":"
    assert display.error_fill_.get_facecolor()[0, :3] == pytest.approx([0, 0.502, 0], abs=1e-3)
    assert display.ax_.get_xlabel() == "time"


def test_one_channel_of_a_sequence(images, coder):
    display = SignalReconstructionDisplay.from_estimator(coder, images, row=-1, channel=2)
    np.testing.assert_array_equal(display.signal_line_.get_ydata(), images[-1, :, 2])
    assert display.ax_.get_ylabel() == "channel 2"
    assert display.plot().ax_.get_ylabel() == "channel 2"


def test_the_only_channel_needs_no_name():
    sequences = np.linspace(0, 1, 200).reshape(20, 10, 1)
    coder = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0).fit(sequences)
    display = SignalReconstructionDisplay.from_estimator(coder, sequences)
    assert display.ax_.get_ylabel() == "value"


def test_a_denoiser_draws_what_it_predicts(images, denoiser):
    display = SignalReconstructionDisplay.from_estimator(denoiser, images, row=3)
    expected = denoiser.predict(images[3:4])[0, :, 0]
    np.testing.assert_allclose(display.reconstruction_line_.get_ydata(), expected)


def test_signals_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one length; got shapes \(2,\) and \(3,\)"):
        SignalReconstructionDisplay.from_predictions([1, 2], [1, 2, 3])


@pytest.mark.parametrize("row", [60, -61])
def test_a_row_that_is_not_there_is_refused(detector, frame, row):
    with pytest.raises(ValueError, match=rf"row={row} is not in X, which has 60 samples"):
        FeatureErrorDisplay.from_estimator(detector, frame, row=row)


def test_features_come_by_error_with_value_and_reconstruction(detector, frame):
    display = FeatureErrorDisplay.from_estimator(detector, frame, row=2, n_features=4)
    errors = detector.feature_errors(frame).iloc[2].sort_values(ascending=False)
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_allclose(widths, errors.to_numpy()[:4], rtol=1e-5)
    assert labels_of(display.ax_.yaxis) == list(errors.index[:4])
    assert display.ax_.yaxis_inverted()
    name = errors.index[0]
    again = detector.reconstruct(frame)[2, frame.columns.get_loc(name)]
    shown = f"is {frame[name].iloc[2]:.3g}, expected {again:.3g}"
    assert display.texts_[0].get_text() == shown
    assert display.ax_.get_title() == "Row 102: error by feature"


def test_groups_have_neither_value_nor_reconstruction(detector, frame):
    groups = {"pair": ["sensor_0", "sensor_1"]}
    display = FeatureErrorDisplay.from_estimator(
        detector, frame, groups=groups, n_features=None, bar_kwargs={"fc": "blue"}
    )
    assert set(labels_of(display.ax_.yaxis)) == {"pair", *frame.columns[2:]}
    assert display.texts_ == []
    assert display.bars_[0].get_facecolor()[:3] == (0, 0, 1)


def test_errors_of_a_table_are_refused(table):
    with pytest.raises(ValueError, match=r"those of one sample.*got shape \(60, 6\)"):
        FeatureErrorDisplay.from_predictions(table)


def test_features_without_names_are_counted():
    display = FeatureErrorDisplay.from_predictions([0.1, 0.3, 0.2])
    assert labels_of(display.ax_.yaxis) == ["x1", "x2", "x0"]


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_features_of_a_pipeline_are_named_by_its_steps(output, frame):
    columns = make_column_transformer(
        (PCA(1), ["sensor_0", "sensor_1"]),
        (StandardScaler(), ["sensor_5", "sensor_2"]),
        verbose_feature_names_out=False,
    )
    detector = ReconstructionOutlierDetector(latent_dim=1, **TINY)
    pipe = make_pipeline(columns, detector).set_output(transform=output).fit(frame)
    display = FeatureErrorDisplay.from_estimator(pipe, frame, row=2)
    errors = pipe[-1].feature_errors(pipe[:-1].transform(frame)).iloc[2].to_numpy()
    named = np.array(["pca0", "sensor_5", "sensor_2"])[np.argsort(-errors, kind="stable")]
    assert labels_of(display.ax_.yaxis) == list(named)
    grouped = FeatureErrorDisplay.from_estimator(pipe, frame, groups={"both": [1, 2]})
    assert set(labels_of(grouped.ax_.yaxis)) == {"pca0", "both"}


def test_features_that_no_step_names_are_counted(shifted, frame):
    display = FeatureErrorDisplay.from_estimator(shifted, frame, n_features=None)
    assert set(labels_of(display.ax_.yaxis)) == set(frame.columns)
    unnamed = make_pipeline(
        FunctionTransformer(np.asarray), ReconstructionOutlierDetector(latent_dim=1, **TINY)
    ).fit(frame)
    display = FeatureErrorDisplay.from_estimator(unnamed, frame, n_features=None)
    assert set(labels_of(display.ax_.yaxis)) == {f"x{i}" for i in range(6)}
