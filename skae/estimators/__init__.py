"""What the user calls: one class a file, over one abstract base."""

from skae.estimators._autoencoder import AutoencoderTransformer
from skae.estimators._denoiser import DenoisingRegressor
from skae.estimators._detector import ReconstructionOutlierDetector

__all__ = ["AutoencoderTransformer", "DenoisingRegressor", "ReconstructionOutlierDetector"]
