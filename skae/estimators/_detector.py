"""The outlier detector: samples that an autoencoder can't reconstruct."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn.base import OutlierMixin

from skae import scores
from skae._contracts import FloatArray
from skae._explanations import column_labels
from skae._sklearn import HasMethods, Interval, StrOptions
from skae._validation import check_number
from skae.estimators._base import BaseAutoencoder, Mode
from skae.estimators._calibration import (
    calibrate,
    calibration_errors,
    chosen_calibration,
    errors_of,
    is_unseen,
    p_values,
    recalibrate,
    threshold_rule,
    warn_of_change,
    warn_of_number,
)
from skae.estimators._docs import documented
from skae.estimators._explanations import error_frame, explanation, part_frame
from skae.estimators._samples import FitData, refuse_batches
from skae.estimators._scores import anomaly_scores, learn_score
from skae.estimators._snapshots import changing_one_fit, of_one_fit


@documented
class ReconstructionOutlierDetector(OutlierMixin, BaseAutoencoder):
    """Detect outliers by how badly an autoencoder reconstructs them.

    An autoencoder trained on (mostly) normal samples reconstructs them well and others badly [1]_.
    The error of a sample is the mean of ``abs(x - g(f(x)))`` or ``(x - g(f(x)))**2`` over its
    values. The anomaly score is this error, or for tables by default the sum of two distances: of
    the residual ``x - g(f(x))`` from those of the training samples, and of the sample from its
    neighbors among them. A sample is an outlier if its score is above ``threshold_``, by default
    the mean + `n_std` standard deviations of the training samples' scores.

    Parameters
    ----------
    anomaly_score : {"auto", "combined", "mahalanobis", "neighbors", "error"} or object, \
            default="auto"
        How unusual a sample is, see :mod:`skae.scores`. "error" is its reconstruction error.
        "auto" is "combined" where columns are standardized (see `scale`) and `error` is "auto",
        and "error" otherwise. An object has the methods of :class:`skae.scores.BaseScore`.
    error : {"auto", "absolute", "squared"} or callable, default="auto"
        Error of a value; the error of a sample is its mean. "auto" is absolute for a loss of mean
        absolute error and squared otherwise. A callable takes the inputs and the
        reconstruction, arrays or tensors, and returns the error of every value; it must use
        only operators and ``keras.ops``.
    threshold : {"std", "quantile", "mad", "iqr", "pot", "conformal"}, float or rule, \
            default="std"
        Rule that turns anomaly scores into the threshold, see :mod:`skae.thresholds`; a number is
        the threshold itself. ``threshold__*`` is routed to the rule.
    n_std : float, default=2.0
        Standard deviations above the mean score at which ``threshold="std"`` lies; `fit` raises
        an error for another value than 2 beside another `threshold`.
    contamination : float in (0, 0.5] or "auto", default="auto"
        Fraction of outliers in the training samples, as in
        :class:`~sklearn.ensemble.IsolationForest`; overrides `threshold` and `n_std`. "auto"
        leaves it to `threshold`.
    calibration : {"auto", "training", "held_out"} or int, default="auto"
        Samples whose scores give the threshold. Those of the training samples are optimistic:
        "held_out" takes the validation samples (`X_val`, or `validation_split`, which must then
        be given), an int cross-fits with as many folds, in which every sample is scored by a
        network that has not seen it. "auto" cross-fits a built-in network with 5 folds on fewer
        than 1,000 samples, and takes the training samples otherwise and for a `contamination`;
        for ``threshold="conformal"`` it takes the validation samples, or cross-fits.

    Attributes
    ----------
    threshold_ : float
        The threshold, in units of the anomaly score: samples with a larger score are outliers.
    offset_ : float
        ``-threshold_``; ``decision_function = score_samples - offset_``. Either can be set, and
        the other follows.
    score_ : BaseScore or None
        What `anomaly_score` names, fitted; None for the reconstruction error.
    training_errors_ : ndarray of shape (n_samples,)
        Anomaly scores of the training samples, without those of weight 0 and held-out ones.
    calibration_errors_ : ndarray of shape (n_samples,)
        Anomaly scores that gave the threshold, see `calibration` and `recalibrate`.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Detects outliers by random splits.

    References
    ----------
    .. [1] M. Sakurada and T. Yairi (2014). "Anomaly Detection Using Autoencoders with Nonlinear
       Dimensionality Reduction". MLSDA. :doi:`10.1145/2689746.2689747`
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia (2023). "Testing for Outliers with
       Conformal p-values". The Annals of Statistics 51(1). :doi:`10.1214/22-AOS2244`

    Examples
    --------
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.datasets import make_ecg_beats
    >>> X, y = make_ecg_beats(n_samples=400, random_state=0, return_X_y=True)
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(X[y == 1])
    >>> bool((detector.predict(X[y == -1]) == -1).mean() > 0.5)
    True
    """

    _routing_prefixes = BaseAutoencoder._routing_prefixes | {"threshold"}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseAutoencoder._parameter_constraints,
        "anomaly_score": [
            StrOptions({"auto", "error", *scores.NAMED}),
            HasMethods(["fit", "score_samples", "feature_scores"]),
        ],
        "error": [StrOptions({"auto", "absolute", "squared"}), callable],
        "threshold": [str, Real, HasMethods(["threshold"])],
        "n_std": [Interval(Real, 0, None, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "calibration": [
            StrOptions({"auto", "training", "held_out"}),
            Interval(Integral, 2, None, closed="left"),
        ],
    }

    threshold_: float
    # Scores that p-values compare with, and counts; None if they are those of training samples.
    _reference: tuple[FloatArray, FloatArray] | None

    def __init__(
        self,
        model: str | Callable[..., Any] = "dense",
        latent_dim: int | str | None = "auto",
        *,
        hidden_layer_sizes: Any = (64,),
        activation: Any = "relu",
        output_activation: Any = None,
        input_shape: tuple[int, ...] | None = None,
        scale: bool | str = "auto",
        anomaly_score: Any = "auto",
        error: Any = "auto",
        threshold: Any = "std",
        n_std: float = 2.0,
        contamination: float | str = "auto",
        calibration: str | int = "auto",
        noise: Any = None,
        optimizer: Any = "auto",
        loss: Any = "mse",
        metrics: Any = None,
        epochs: int | str = "auto",
        batch_size: int = 256,
        shuffle: bool = True,
        validation_split: float = 0.0,
        early_stopping: bool = False,
        patience: int = 10,
        callbacks: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        engine: str = "auto",
        jit_compile: bool | str = "auto",
        **routed: Any,
    ) -> None:
        self._keep(locals())

    @property
    def offset_(self) -> float:
        """``-threshold_``, scikit-learn's convention."""
        return -self.threshold_

    @offset_.setter
    def offset_(self, offset: float) -> None:
        self.threshold_ = -float(offset)

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> Any:
        refuse_batches(X, ", or call fit, and then predict for each batch")
        return super().fit_predict(X, y, **kwargs)

    @of_one_fit
    def score_samples(self, X: Any) -> FloatArray:
        """Compute the negative anomaly score of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            float64; higher is more normal.
        """
        X, _ = self._check_inputs(X)
        return -anomaly_scores(self, X)

    @of_one_fit
    def decision_function(self, X: Any) -> FloatArray:
        """Compute the distance of every sample's score from the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Predict which samples are outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            +1 where ``decision_function(X) >= 0``, -1 (an outlier) otherwise.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    @of_one_fit
    def p_values(self, X: Any) -> FloatArray:
        """Compute conformal p-values: how probable so high a score is for a normal sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            In (0, 1]; small is abnormal. ``(1 + n_higher) / (1 + n)``, where `n` samples that the
            network was not trained on gave the threshold and `n_higher` of them score as high or
            higher; each counts by its weight. A normal sample has a p-value of at most `p` with
            a probability of at most `p` (Bates et al.); after cross-fitting nearly so.

        Raises
        ------
        ValueError
            If the threshold came from the training samples, whose scores are lower than those of
            other normal samples.
        """
        return p_values(self, -self.score_samples(X))

    def select(self, X: Any, fdr: float = 0.1) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Select outliers with a bound on the fraction of normal samples among them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences: the batch in which outliers are to be found.
        fdr : float, default=0.1
            False discovery rate, in (0, 1): the mean fraction of normal samples among those
            selected is at most this.

        Returns
        -------
        mask : ndarray of bool of shape (n_samples,)
            The samples that the procedure of Benjamini and Hochberg selects by their `p_values`.
            To select `k` of `n` samples, it needs about ``n / (k * fdr)`` reference samples.
        """
        check_number("fdr", fdr, Interval(Real, 0, 1, closed="neither"))
        return false_discovery_control(self.p_values(X)) <= fdr

    @changing_one_fit
    def recalibrate(
        self, X: Any, y: Any = None, *, beta: float = 1.0, max_fpr: float | None = None
    ) -> ReconstructionOutlierDetector:
        """Move the threshold without training.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples, normal ones where `y` is None.
        y : array-like of shape (n_samples,), default=None
            +1 for normal samples and -1 for outliers; 0 and 1 are refused. None: `threshold` or
            `contamination` is applied to the errors of `X`.
        beta : float, default=1.0
            With `y`: choose the threshold with the best F-beta score of the outliers.
        max_fpr : float or None, default=None
            Choose the threshold with the largest recall among those that flag at most this
            fraction of the normal samples; overrides `beta`. Without `y`, all are normal.

        Returns
        -------
        self : ReconstructionOutlierDetector
            The estimator with a new ``threshold_`` and ``offset_``; `p_values` compares with
            the normal samples of `X`.
        """
        recalibrate(self, -self.score_samples(X), y, beta=beta, max_fpr=max_fpr)
        return self

    @of_one_fit
    def feature_errors(self, X: Any, groups: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Compute the error of every value.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        groups : mapping of str to list of str or int, default=None
            Columns that belong together, such as the one-hot columns of one category: they are
            replaced by the sum of their errors, under the group's name.

        Returns
        -------
        errors : DataFrame of shape (n_samples, n_features)
            Named like the columns of the frame that `fit` got, by (step, channel) or the like for
            samples of several axes, and indexed like the rows of `X`; without `groups` the mean
            of a row is `reconstruction_error`. NaN where the network's output is masked.
        """
        values, _ = self._check_inputs(X)
        return error_frame(self, X, values, groups)

    @of_one_fit
    def feature_scores(self, X: Any, groups: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Compute the part of every value in the anomaly score.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        groups : mapping of str to list of str or int, default=None
            Columns that belong together, as in `feature_errors`.

        Returns
        -------
        scores : DataFrame of shape (n_samples, n_features)
            The sum of a row is minus its ``score_samples``. Where the score is the reconstruction
            error, these are the `feature_errors`, whose mean it is.
        """
        values, _ = self._check_inputs(X)
        return part_frame(self, X, values, groups)

    @of_one_fit
    def explain(
        self,
        X: Any,
        n_features: int | None = 3,
        groups: Mapping[str, Any] | None = None,
        rows: Any = None,
    ) -> pd.DataFrame:
        """Explain outliers, or selected samples, by the features that add most to the score.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        n_features : int or None, default=3
            Features to name for each sample, those with the largest parts; None names all.
        groups : mapping of str to list of str or int, default=None
            Columns that belong together, as in `feature_errors`; a group has neither value nor
            reconstruction.
        rows : array-like of int or bool, "all" or None, default=None
            Positions of the samples to explain, or a mask of all samples; None explains all
            outliers by `predict`.

        Returns
        -------
        explanation : DataFrame
            For every sample, `n_features` rows with "row" (its label in `X`), "position" (counted
            from 0), "feature", "value", "reconstruction", "error" (the feature's part in the
            anomaly score, see `feature_scores`) and "share", the fraction of the sum of the
            sample's parts (0 if that sum is 0). Features by part, samples in the order of
            `rows`. :func:`skae.inspection.explain` explains the samples of a whole
            pipeline by its original columns.
        """
        values, _ = self._check_inputs(X)
        return explanation(self, X, values, n_features=n_features, groups=groups, rows=rows)

    def _check_data(self, X: Any, y: Any, mode: Mode, **others: Any) -> FitData:
        data = super()._check_data(X, y, mode, **others)
        if data.network is None:
            self._column_labels = column_labels(X)
        return data

    def _train(self, data: FitData, mode: Mode, bridge: Callable[[Any], Any]) -> None:
        rule = threshold_rule(self)
        calibration = chosen_calibration(self, rule, data, mode)
        warn_of_change(self, data, mode)
        super()._train(data, mode, bridge)
        self.score_ = learn_score(self, data.samples)
        self.training_errors_, _ = training = errors_of(self, data.samples)
        found = calibration_errors(self, data, calibration, training)
        calibrate(self, rule, *found, is_unseen=is_unseen(calibration, data))
        warn_of_number(self.threshold, found[0])
