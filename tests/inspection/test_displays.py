"""What every Display has in common."""

from __future__ import annotations

import inspect
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpydoc.docscrape import FunctionDoc
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae.inspection
from skae import AutoencoderTransformer, DenoisingRegressor
from skae.inspection import (
    DriftDisplay,
    ErrorHistogramDisplay,
    FeatureErrorDisplay,
    LatentGridDisplay,
    LatentSpaceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SignalReconstructionDisplay,
    ThresholdCurveDisplay,
    explain,
    explore,
)

IMAGES = np.zeros((2, 3, 3))
MADE = {
    LossCurveDisplay: lambda: LossCurveDisplay(train=[2.0, 1.0]),
    ReconstructionDisplay: lambda: ReconstructionDisplay([IMAGES, IMAGES]),
    SignalReconstructionDisplay: lambda: SignalReconstructionDisplay(
        signal=[0.0, 1.0], reconstruction=[0.5, 0.5]
    ),
    ErrorHistogramDisplay: lambda: ErrorHistogramDisplay(errors=[0.1, 0.2], threshold=0.15),
    ThresholdCurveDisplay: lambda: ThresholdCurveDisplay(
        thresholds=[0.0, 1.0], precision=[0.5, 1.0], recall=[1.0, 0.0]
    ),
    LatentSpaceDisplay: lambda: LatentSpaceDisplay(codes=np.eye(2), y=["a", "b"]),
    LatentGridDisplay: lambda: LatentGridDisplay(decoded=IMAGES[None], x=[0, 1], y=[0]),
    DriftDisplay: lambda: DriftDisplay(
        log10_martingale=[0.1, 2.5], mean_score=[1.0, 2.0], false_alarm_rate=0.01, alarm=1
    ),
    FeatureErrorDisplay: lambda: FeatureErrorDisplay(errors=[2.0, 1.0], feature_names=["a", "b"]),
}
EACH = pytest.mark.parametrize("made", MADE.values(), ids=[cls.__name__ for cls in MADE])


def test_every_display_is_here():
    public = {name for name in skae.inspection.__all__ if name.endswith("Display")}
    assert public == {cls.__name__ for cls in MADE}


@EACH
def test_axes_of_a_subplot_grid_are_used_and_others_left_alone(made):
    figure, axes = plt.subplots(2, 2)
    display = made().plot(ax=axes[1, 0])
    assert display.ax_ is axes[1, 0]
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    others = [ax for ax in axes.ravel() if ax is not display.ax_]
    assert not any(ax.has_data() for ax in others)
    assert display.ax_.has_data()
    figure.canvas.draw()


@EACH
def test_without_axes_there_is_a_new_figure(made):
    display = made()
    first = display.plot().figure_
    assert display.plot() is display
    assert display.figure_ is not first
    display.figure_.canvas.draw()


@EACH
def test_artists_are_kept_under_the_documented_names(made):
    display = made().plot()
    artists = {name for name in vars(display) if name.endswith("_")}
    doc = type(display).__doc__.split("Attributes")[1].split("See Also")[0]
    documented = {
        name.strip()
        for line in doc.splitlines()
        if " : " in line
        for name in line.split(" : ")[0].split(",")
    }
    assert artists == documented


@pytest.mark.parametrize("cls", MADE, ids=lambda cls: cls.__name__)
def test_help_shows_every_parameter_once_and_no_annotations(cls):
    for name in [key for key in vars(cls) if not key.startswith("_")]:
        method = getattr(cls, name)
        parameters = inspect.signature(method).parameters.values()
        assert {each.annotation for each in parameters} == {inspect.Parameter.empty}
        entries = FunctionDoc(method)["Parameters"]
        described = [key.strip() for entry in entries for key in entry.name.split(",")]
        assert described == [each.name for each in parameters if each.name != "self"]
        assert all(entry.desc for entry in entries)
    assert "'" not in str(inspect.signature(cls)).replace("metric='loss'", "")


@EACH
def test_without_matplotlib_the_error_names_the_extra(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'needs matplotlib.*pip install "skae\[plot\]"'):
        made().plot()


def test_without_ipywidgets_the_error_names_the_extra(monkeypatch, coder):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r'needs ipywidgets.*pip install "skae\[notebook\]"'):
        explore(coder)


def test_a_pipeline_applies_its_other_steps(shifted, detector, frame):
    display = ErrorHistogramDisplay.from_estimator(shifted, frame)
    np.testing.assert_allclose(display.errors, -detector.score_samples(frame + 1.0))


def test_the_best_estimator_of_a_search_is_drawn(detector, frame):
    class Search:
        best_estimator_ = detector

    display = ErrorHistogramDisplay.from_estimator(Search(), frame)
    assert display.threshold == detector.threshold_


@pytest.mark.parametrize(
    ("draw", "method"),
    [
        (LatentGridDisplay.from_estimator, "inverse_transform"),
        (lambda estimator: LatentSpaceDisplay.from_estimator(estimator, IMAGES), "transform"),
        (
            lambda estimator: FeatureErrorDisplay.from_estimator(estimator, IMAGES),
            "feature_errors",
        ),
        (
            lambda estimator: ErrorHistogramDisplay.from_estimator(estimator, IMAGES),
            "reconstruction_error",
        ),
        (
            lambda estimator: ThresholdCurveDisplay.from_estimator(estimator, IMAGES, [1, -1]),
            "reconstruction_error",
        ),
    ],
)
def test_an_estimator_that_lacks_what_is_drawn_is_refused(draw, method):
    with pytest.raises(TypeError, match=f"needs an estimator with '{method}'.*DenoisingReg"):
        draw(DenoisingRegressor())


@pytest.mark.parametrize(
    ("function", "wanted"),
    [(explain, "ReconstructionOutlierDetector"), (explore, "AutoencoderTransformer")],
)
def test_functions_tell_which_estimators_they_take(function, wanted):
    with pytest.raises(TypeError, match=f"LinearRegression has none; .*such as an? {wanted}"):
        function(make_pipeline(StandardScaler(), LinearRegression()), IMAGES)


@pytest.mark.parametrize(
    "draw",
    [
        LossCurveDisplay.from_estimator,
        LatentGridDisplay.from_estimator,
        lambda estimator: ReconstructionDisplay.from_estimator(estimator, IMAGES),
    ],
)
def test_an_estimator_that_is_not_fitted_is_refused(draw):
    with pytest.raises(NotFittedError):
        draw(AutoencoderTransformer())
