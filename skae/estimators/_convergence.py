"""Warnings of trainings that have failed without an error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import randomized_svd

from skae._contracts import FloatArray
from skae._messages import warn
from skae.estimators._scaling import standardized
from skae.exceptions import FeatureScaleWarning

# Enough to tell whether a network has learned.
_MOST_SAMPLES = 1000
# Of the variance that PCA explains. A penalty on the code or noise on the input takes some of it.
_LEAST = 0.5
# No more than chance.
_NOTHING = 0.01
# Of the variance of all columns: the others hardly count in the loss then.
_DOMINANT = 0.99


def warn_of_failure(fit: Any, samples: Any) -> None:
    """Warn if a trained network reconstructs worse than a method without training.

    It is compared with PCA of as many components as the code has, and where that does not apply,
    for regression and for codes that are drawn, with the mean.

    Parameters
    ----------
    fit : estimator
        The copy that is fitted, with its network.
    samples : Samples or StreamedSamples
    """
    inputs = _some(samples.inputs)
    inputs = inputs.reshape(len(inputs), -1)
    targets = inputs if samples.targets is None else _some(samples.targets)
    n_values = math.prod(fit._output_shape)
    truth = standardized(targets, fit._output_scaler, (n_values,))[:]
    variance = np.var(truth, axis=0).sum()
    if len(truth) < 3 or not variance > 0:
        return
    errors = np.square(truth - fit._run("model", inputs).reshape(truth.shape))
    explained = 1 - errors.mean(axis=0).sum() / variance
    if explained >= _LEAST:
        return  # of which PCA can't explain twice as much
    by_pca = _explained_by_pca(fit, truth)
    if explained < _LEAST * by_pca or explained < _NOTHING:
        other = "their mean 0" if by_pca == 0 else f"PCA with as many components {by_pca:.2g}"
        warn(
            f"The network explains {explained:.2g} of the variance of the training samples, "
            f"{other}. {'Set scale=True, train' if fit.scaler_ is None else 'Train'} for more "
            "epochs, lower optimizer__learning_rate, or choose an output_activation that reaches "
            "the values.",
            ConvergenceWarning,
        )


def _some(values: FloatArray) -> FloatArray:
    """Return samples from all over an array, which may be sorted; of a stream, the first batch."""
    return values[:: max(len(values) // _MOST_SAMPLES, 1)][:_MOST_SAMPLES]


def _explained_by_pca(fit: Any, truth: FloatArray) -> float:
    """Return the fraction of the variance that PCA explains; 0 where it is no fair comparison."""
    recipe = fit._deferred.recipe
    latent_dim = recipe.parameters.get("latent_dim")
    is_deterministic = isinstance(recipe.builder, str) and recipe.builder != "variational"
    n_components = min(latent_dim or 0, min(truth.shape) - 1)
    if is_regressor(fit) or not is_deterministic or n_components < 1:
        return 0.0
    # Not by a fit of scikit-learn's PCA, which tools that log fits would log.
    centered = truth - truth.mean(axis=0)
    _, values, _ = randomized_svd(centered, n_components, random_state=0)
    return float(np.square(values).sum() / np.square(centered).sum())


def warn_of_scale(fit: Any, samples: Any) -> None:
    """Warn if one column outweighs all others in the loss.

    Parameters
    ----------
    fit : estimator
    samples : Samples or StreamedSamples
    """
    if fit.scaler_ is not None or len(fit._input_shape) > 1:
        return
    rows = _some(samples.inputs)
    variances = np.var(rows.reshape(len(rows), -1), axis=0, dtype=np.float64)
    if np.count_nonzero(variances) < 3:
        return
    column = int(variances.argmax())
    fraction = variances[column] / variances.sum()
    if not fraction > _DOMINANT:
        return
    name = getattr(fit, "feature_names_in_", range(len(variances)))[column]
    warn(
        f"The column {name!r} has {fraction:.2%} of the variance of all "
        "columns, so that the others hardly count in the loss and in the errors; set scale=True, "
        "or leave the column out.",
        FeatureScaleWarning,
    )
