"""Pictures: Display classes in scikit-learn's way, and sliders for the code in a notebook.

matplotlib and ipywidgets are loaded when something is drawn, never by importing this package.
"""

from skae.inspection._decisions import decision_table
from skae.inspection._drift import DriftDisplay
from skae.inspection._errors import ErrorHistogramDisplay, ThresholdCurveDisplay
from skae.inspection._explain import explain
from skae.inspection._explore import explore
from skae.inspection._features import FeatureErrorDisplay
from skae.inspection._history import LossCurveDisplay
from skae.inspection._latent import LatentGridDisplay, LatentSpaceDisplay
from skae.inspection._reconstructions import ReconstructionDisplay, SignalReconstructionDisplay

__all__ = [
    "DriftDisplay",
    "ErrorHistogramDisplay",
    "FeatureErrorDisplay",
    "LatentGridDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "SignalReconstructionDisplay",
    "ThresholdCurveDisplay",
    "decision_table",
    "explain",
    "explore",
]
