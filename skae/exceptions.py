"""Exceptions and warnings of skae."""

from __future__ import annotations


class NonFiniteLossError(ValueError, FloatingPointError):
    """Training was stopped because the loss was no longer a finite number."""


class LatentSizeWarning(UserWarning):
    """The code is at least as large as a sample, so the network can copy its input."""


class UnsharedProgramWarning(UserWarning):
    """A model computes something else than an earlier model with the same code."""


class OutlierLabelWarning(UserWarning):
    """Labels 0 and 1 were passed to a detector, whose predictions are +1 and -1."""


class ThresholdWarning(UserWarning):
    """A threshold given as a number flags all training samples or none."""


class DriftWarning(UserWarning):
    """Samples to continue training with look abnormal to the detector that they would change."""


class FeatureScaleWarning(UserWarning):
    """One column outweighs all others in the loss, because columns are not standardized."""
