"""The types in files of skops."""

from __future__ import annotations


def trusted_types() -> list[str]:
    """Return the names of skae's types that files of fitted estimators may hold.

    skops loads a file only if all types in it are trusted. It trusts those of NumPy and
    scikit-learn by itself. The others in a file of skae are these; a file with anything else in
    it, a function for example, is refused.

    Returns
    -------
    names : list of str
        For the parameter `trusted` of ``skops.io.load``.

    Examples
    --------
    >>> import skae
    >>> "skae.scores._combined.CombinedScore" in skae.trusted_types()
    True
    """
    from skae import estimators, monitoring, scores, thresholds

    rooms = (estimators, monitoring, scores, thresholds)
    found = [getattr(room, name) for room in rooms for name in room.__all__]
    types = [each for each in found if isinstance(each, type)]
    return sorted(f"{each.__module__}.{each.__qualname__}" for each in types)
