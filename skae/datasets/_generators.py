"""Generated heartbeats, for tests and examples without data."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skae._sklearn import Interval
from skae._validation import FRACTION, NON_NEGATIVE, check_number

from ._bunch import pack

N_POINTS = 140
FloatMatrix = NDArray[np.float64]

# P, Q, R, S and T after McSharry et al. (2003), table I: the angle of the wave and its width on
# the cycle. The heights are their a * b**2, to which a wave integrates in their equation, scaled
# to an R wave of 1.2 mV. The last wave is the ST segment, flat in a healthy heart.
CENTRES = np.array([-np.pi / 3, -np.pi / 12, 0.0, np.pi / 12, np.pi / 2, 0.75])
WIDTHS = np.array([0.25, 0.1, 0.1, 0.1, 0.4, 0.25])
HEIGHTS = np.array([0.30, -0.20, 1.20, -0.30, 0.48, 0.0])

CLASS_NAMES = (
    "normal",
    "premature ventricular contraction",
    "ST depression",
    "flat or inverted T wave",
    "absent or inverted P wave",
)
# What a beat of each abnormal class turns into at full severity: heights in mV, widths and
# centers on the cycle, of the six waves.
ABNORMAL = {
    # The ventricle fires by itself: no P, a broad and tall QRS, T against it.
    2: (
        np.array([0.0, 0.0, 1.6, -0.6, -0.4, 0.0]),
        np.array([0.25, 0.1, 0.3, 0.3, 0.4, 0.25]),
        np.array([-np.pi / 3, -np.pi / 12, 0.0, 0.6, np.pi / 2, 0.75]),
    ),
    # Lack of oxygen below the inner wall: 0.1 mV is the clinical limit.
    3: (np.array([0.30, -0.20, 1.20, -0.30, 0.40, -0.25]), WIDTHS, CENTRES),
    # Recovery runs the wrong way through the wall, by ischaemia or strain.
    4: (np.array([0.30, -0.20, 1.20, -0.30, -0.40, 0.0]), WIDTHS, CENTRES),
    # The beat starts at the node, not in the atrium.
    5: (np.array([-0.20, -0.20, 1.20, -0.30, 0.48, 0.0]), WIDTHS, CENTRES),
}


def make_ecg_beats(
    n_samples: int = 1000,
    *,
    contamination: float = 0.1,
    noise: float = 0.03,
    random_state: int | RandomState | None = None,
    return_X_y: bool = True,
    as_frame: bool = False,
) -> Any:
    r"""Generate normal and abnormal heartbeats (outlier detection).

    A beat is a sum of Gaussian waves on the cycle of the heart,
    :math:`\theta \in [-\pi, \pi)` with the R wave at 0, after the dynamical model of [1]_:

    .. math::

        x(\theta) = \sum_{i \in \{P, Q, R, S, T, ST\}} a_i
        \exp\!\left(-\frac{(\theta - \theta_i)^2}{2 b_i^2}\right) + \text{wander} + \text{noise}

    Every beat has its own heart rate (75 +- 8 beats per minute, which moves and widens the
    waves as in the authors' program), heights (10 %), widths (6 %), small shifts of its waves,
    and a slow wander of the baseline by breathing. The abnormal beats are, in equal parts,
    premature ventricular contractions (no P wave, a broad QRS complex, an inverted T wave), ST
    depression, flat or inverted T waves, and absent or inverted P waves, each with a severity drawn
    between one half and one; the mildest are hard to tell from normal ones.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of beats.
    contamination : float, default=0.1
        Fraction of abnormal beats, in [0, 1]; their number is rounded to the nearest.
    noise : float, default=0.03
        Standard deviation of the white noise, in mV.
    random_state : int, RandomState instance or None, default=None
        Seed for the beats and their order.
    return_X_y : bool, default=True
        False: return a Bunch.
    as_frame : bool, default=False
        Return pandas objects.

    Returns
    -------
    X : {ndarray, dataframe} of shape (n_samples, 140)
        One beat in a row, in mV, over one cycle.
    y : {ndarray, Series} of shape (n_samples,)
        +1 for a normal beat, -1 for an abnormal one.
    beats : :class:`~sklearn.utils.Bunch`
        Instead of `X` and `y` if `return_X_y` is false: `data`, `target`, `target_class` (1 is
        normal, 2 to 5 abnormal), `class_names`, `feature_names`, `target_names`, `frame`,
        `DESCR`.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    .. [1] P. E. McSharry, G. D. Clifford, L. Tarassenko, L. A. Smith, "A dynamical model for
           generating synthetic electrocardiogram signals", IEEE Transactions on Biomedical
           Engineering 50(3), 2003. :doi:`10.1109/TBME.2003.808805`

    Examples
    --------
    >>> from skae.datasets import make_ecg_beats
    >>> X, y = make_ecg_beats(200, contamination=0.1, random_state=0)
    >>> X.shape, int((y == -1).sum())
    ((200, 140), 20)
    """
    check_number("n_samples", n_samples, Interval(Integral, 1, None, closed="left"))
    check_number("contamination", contamination, FRACTION)
    check_number("noise", noise, NON_NEGATIVE)
    rng = check_random_state(random_state)
    n_abnormal = round(contamination * n_samples)
    target_class = np.ones(n_samples, dtype=np.int64)
    target_class[:n_abnormal] = 2 + np.arange(n_abnormal) % len(ABNORMAL)
    rng.shuffle(target_class)
    data = _waves(target_class, rng) + _wander(n_samples, rng)
    data += rng.normal(scale=noise, size=data.shape)
    return pack(
        data,
        np.where(target_class == 1, 1, -1),
        "ecg_beats",
        as_frame=as_frame,
        return_X_y=return_X_y,
        feature_names=[f"t{point}" for point in range(N_POINTS)],
        target_names=["abnormal", "normal"],
        target_class=target_class,
        class_names=np.array(CLASS_NAMES),
    )


def _waves(target_class: NDArray[np.int64], rng: RandomState) -> FloatMatrix:
    """Return the sum of every beat's own waves."""
    n_samples = target_class.shape[0]
    heights, widths, centres = (
        np.tile(values, (n_samples, 1)) for values in (HEIGHTS, WIDTHS, CENTRES)
    )
    severity = rng.uniform(0.5, 1.0, size=(n_samples, 1))
    for label, full in ABNORMAL.items():
        rows = target_class == label
        for values, target in zip((heights, widths, centres), full, strict=True):
            values[rows] += severity[rows] * (target - values[rows])
    size = heights.shape
    heights = heights * rng.lognormal(sigma=0.10, size=size)
    widths = widths * rng.lognormal(sigma=0.06, size=size)
    centres = centres + rng.normal(scale=0.02, size=size)
    # A faster beat takes more of the cycle; P and T move by less (the authors' ECGSYN).
    pace = np.sqrt(rng.normal(75.0, 8.0, size=(n_samples, 1)).clip(50.0, 110.0) / 75.0)
    widths = widths * pace
    centres = centres * pace ** np.array([0.5, 1.0, 1.0, 1.0, 0.5, 0.5])
    angle = np.linspace(-np.pi, np.pi, N_POINTS, endpoint=False)
    beats = np.zeros((n_samples, N_POINTS))
    for wave in range(size[1]):
        distance = angle - centres[:, [wave]]
        beats += heights[:, [wave]] * np.exp(-0.5 * (distance / widths[:, [wave]]) ** 2)
    return beats


def _wander(n_samples: int, rng: RandomState) -> FloatMatrix:
    """Return the baseline: breathing takes about four beats for one cycle."""
    cycles = rng.uniform(0.2, 0.3, size=(n_samples, 1))
    phase = rng.uniform(-np.pi, np.pi, size=(n_samples, 1))
    height = rng.uniform(0.0, 0.08, size=(n_samples, 1))
    time = np.linspace(0.0, 2.0 * np.pi, N_POINTS, endpoint=False)
    return np.asarray(height * np.sin(cycles * time + phase))
