"""The estimators."""

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae.estimators._autoencoder import AutoencoderTransformer
from skae.estimators._denoiser import DenoisingRegressor
from skae.estimators._detector import ReconstructionOutlierDetector
from skae.estimators._variational import VariationalAutoencoder

__all__ = [
    "AutoencoderTransformer",
    "DenoisingRegressor",
    "ReconstructionOutlierDetector",
    "VariationalAutoencoder",
]
