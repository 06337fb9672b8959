"""Pictures: Display classes in scikit-learn's way, and sliders for the code in a notebook.

matplotlib and ipywidgets are loaded when something is drawn, never by importing this package.
"""

from skae.inspection._explore import explore
from skae.inspection._features import FeatureErrorDisplay
from skae.inspection._histogram import ErrorHistogramDisplay
from skae.inspection._history import LossCurveDisplay
from skae.inspection._images import ReconstructionDisplay
from skae.inspection._latent_grid import LatentGridDisplay
from skae.inspection._latent_space import LatentSpaceDisplay
from skae.inspection._signal import SignalReconstructionDisplay
from skae.inspection._threshold_curve import ThresholdCurveDisplay

__all__ = [
    "ErrorHistogramDisplay",
    "FeatureErrorDisplay",
    "LatentGridDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "SignalReconstructionDisplay",
    "ThresholdCurveDisplay",
    "explore",
]
