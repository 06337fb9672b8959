"""Explains the outliers of a pipeline by the columns of its input."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from skae._docs import hide_annotations
from skae._explanations import (
    Groups,
    column_labels,
    positions_of,
    row_labels,
    summed,
    top_features,
    without_groups,
)
from skae.inspection._plotting import unwrap

# A table of any type of values, a column each.
Table = np.ndarray[Any, np.dtype[Any]]


@hide_annotations
def explain(
    estimator: Any,
    X: Any,
    *,
    n_features: int | None = 3,
    rows: ArrayLike | str | None = None,
    groups: Groups = None,
) -> pd.DataFrame:
    """Explain outliers by the columns of `X` with the largest parts in the anomaly score.

    The parts of all columns that the steps of a pipeline derive from one column of `X` are summed,
    and the ``inverse_transform`` of the steps maps the reconstruction back to the units of `X`.

    Parameters
    ----------
    estimator : ReconstructionOutlierDetector, Pipeline or search over one, fitted
        Steps before the detector may be transformers with ``get_feature_names_out``, pipelines of
        them, `ColumnTransformer` and `FeatureUnion`.
    X : array-like or dataframe of shape (n_samples, n_features)
        Samples, as `predict` of the estimator takes them.
    n_features : int or None, default=3
        Number of columns for each sample, those with the largest parts; None names all.
    rows : array-like of int or bool, "all" or None, default=None
        Positions of the samples to explain, or a mask of all samples; None explains all outliers
        by `predict`.
    groups : mapping of str to list of str or int, default=None
        Columns of `X` that belong together: they are replaced by the sum of their parts, under
        the group's name. A group has neither value nor reconstruction.

    Returns
    -------
    explanation : DataFrame
        `n_features` rows for each sample, with "row" (its label in `X`), "position" (counted from
        0), "feature" (a column of `X`; a tuple of columns where a step mixes them, as PCA does),
        "value" and "reconstruction" in the units of that column, "error" (its part in the anomaly
        score), and "share", the fraction of the sum of the sample's parts (0 if that sum is 0).
        The reconstruction is NaN if a step has no ``inverse_transform``; for several columns, the
        value is NaN too.

    Raises
    ------
    ValueError
        If `rows` has positions that are not in `X`, or if `n_features` is not positive.
    TypeError
        If it is unknown which columns a step makes of which.

    See Also
    --------
    skae.ReconstructionOutlierDetector.explain : The same for a detector alone.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.inspection import explain
    >>> X = pd.DataFrame({"height": [180.0, 175, 168, 190] * 20, "team": [*"abcd"] * 20})
    >>> columns = make_column_transformer(
    ...     (StandardScaler(), ["height"]), (OneHotEncoder(sparse_output=False), ["team"])
    ... )
    >>> detector = ReconstructionOutlierDetector(latent_dim=2, epochs=300, random_state=0)
    >>> pipe = make_pipeline(columns, detector).fit(X)
    >>> X.loc[0, "height"] = 240.0
    >>> explain(pipe, X, n_features=1, rows=[0])[["row", "feature", "value"]]
       row feature  value
    0    0  height  240.0
    """
    detector, encoded = unwrap(estimator, X, "feature_scores", "explain")
    n_samples = len(encoded) if hasattr(encoded, "__len__") else encoded.shape[0]
    positions = positions_of(
        rows, n_samples, lambda: np.flatnonzero(detector.predict(encoded) == -1)
    )
    if len(positions) == 0:  # an empty table with the same columns
        return explain(estimator, X, n_features=n_features, rows=[0], groups=groups).iloc[:0]
    picked = _pick(encoded, positions)
    found, steps = detector.feature_scores(picked), _transformers(estimator)
    names = column_labels(X) or [f"x{number}" for number in range(np.shape(X)[1])]
    names = names if steps else list(found.columns)  # of a sequence (step, channel)
    errors, made = _errors_by_column(found, steps, names)
    values = np.asarray(_pick(X, positions), object).reshape(len(positions), -1)
    rebuilt = made.inverse(np.asarray(detector.reconstruct(picked)).reshape(len(positions), -1))
    value, expected = [_of_single(table, made.columns, errors) for table in (values, rebuilt)]
    if groups is not None:
        errors = summed(errors, groups, names)
        value, expected = [without_groups(t, groups, errors.columns) for t in (value, expected)]
    errors = errors.set_axis(row_labels(X, len(X))[positions])
    lines = top_features(errors, value, expected, positions=positions, n_features=n_features)
    return lines.infer_objects()


def _errors_by_column(
    found: pd.DataFrame, steps: list[Any], names: list[Any]
) -> tuple[pd.DataFrame, _Origin]:
    """Sum the errors of the columns that the detector got by the columns that they are made of."""
    origin = _Origin.of(steps, names)
    owners = list(dict.fromkeys(origin.columns))
    place = {owner: number for number, owner in enumerate(owners)}
    sums = np.zeros((len(found), len(owners)))
    for columns, of_column in zip(origin.columns, np.nan_to_num(found).T, strict=True):
        sums[:, place[columns]] += of_column
    features = [tuple(names[c] for c in made) if made[1:] else names[made[0]] for made in owners]
    return pd.DataFrame(sums, columns=pd.Index(features, tupleize_cols=False)), origin


def _of_single(table: Table, columns: list[tuple[int, ...]], errors: pd.DataFrame) -> pd.DataFrame:
    """Return the values beside errors: NaN for those of several columns."""
    owners = list(dict.fromkeys(columns))
    values = {n: np.nan if made[1:] else table[:, made[0]] for n, made in enumerate(owners)}
    return pd.DataFrame(values, index=errors.index).set_axis(errors.columns, axis=1)


def _pick(X: Any, positions: Table) -> Any:
    if hasattr(X, "columns") and not hasattr(X, "iloc"):  # of polars and pyarrow
        return X.take(positions) if hasattr(X, "take") else X[positions.tolist()]
    return X.iloc[positions] if hasattr(X, "iloc") else np.asarray(X)[positions]


def _transformers(estimator: Any) -> list[Any]:
    """Return the steps before the detector, outermost first."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return []
    return [*[step for _, step in estimator.steps[:-1]], *_transformers(estimator.steps[-1][1])]


@dataclass(frozen=True)
class _Origin:
    """The origin of the output columns of steps.

    Parameters
    ----------
    columns : list of tuple of int
        The input columns of each output column.
    inverse : callable
        Maps outputs to inputs, an object array; NaN where there is no inverse.
    """

    columns: list[tuple[int, ...]]
    inverse: Callable[[Table], Table]

    @classmethod
    def of(cls, steps: list[Any], names: list[Any]) -> _Origin:
        """Follow columns of these names through a sequence of steps."""
        origins: list[_Origin] = []
        columns: list[tuple[int, ...]] = [(number,) for number in range(len(names))]
        for step in steps:
            if step is None or step == "passthrough":
                continue
            origin = _origin_of_step(step, names)
            columns = [_union(columns, made_of) for made_of in origin.columns]
            origins.append(origin)
            names = _output_names(step, names, len(columns))

        def inverse(table: Table) -> Table:
            for origin in reversed(origins):
                table = origin.inverse(table)
            return np.asarray(table, object)

        return cls(columns, inverse)


# Output columns of a transformer among several, its input columns, and their origin.
_Block = tuple[slice, list[int], _Origin]


def _union(columns: list[tuple[int, ...]], made_of: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({source for number in made_of for source in columns[number]}))


def _origin_of_step(step: Any, names: list[Any]) -> _Origin:
    if isinstance(step, Pipeline):
        return _Origin.of([inner for _, inner in step.steps], names)
    if isinstance(step, ColumnTransformer):
        return _origin_of_blocks(_blocks_of_columns(step, names), names)
    if isinstance(step, FeatureUnion):
        return _origin_of_blocks(_blocks_of_union(step, names), names)
    columns = _made_of(step, len(names))
    return _Origin(columns, lambda table: _inverse(step, table, columns, len(names)))


def _blocks_of_columns(step: ColumnTransformer, names: list[Any]) -> Iterator[_Block]:
    for name, inner, chosen in step.transformers_:
        outputs = step.output_indices_[name]
        if inner != "drop" and outputs.stop > outputs.start:
            inputs = _column_numbers(chosen, names)
            steps = [] if isinstance(inner, str) else [inner]
            yield outputs, inputs, _Origin.of(steps, [names[i] for i in inputs])


def _blocks_of_union(step: FeatureUnion, names: list[Any]) -> Iterator[_Block]:
    start = 0
    for _, inner in step.transformer_list:
        if inner != "drop":
            origin = _Origin.of([inner], names)
            stop = start + len(origin.columns)
            yield slice(start, stop), list(range(len(names))), origin
            start = stop


def _origin_of_blocks(found: Iterator[_Block], names: list[Any]) -> _Origin:
    blocks = list(found)
    columns: list[tuple[int, ...]] = [()] * max(outputs.stop for outputs, *_ in blocks)
    for outputs, inputs, origin in blocks:
        columns[outputs] = [tuple(sorted(inputs[i] for i in made)) for made in origin.columns]

    def inverse(table: Table) -> Table:
        result = np.full((len(table), len(names)), np.nan, object)
        for outputs, inputs, origin in blocks:
            known = result[:, inputs]
            result[:, inputs] = np.where(pd.isna(known), origin.inverse(table[:, outputs]), known)
        return result

    return _Origin(columns, inverse)


def _column_numbers(chosen: Any, names: list[Any]) -> list[int]:
    """Return the positions of the columns that a ColumnTransformer's specification selects."""
    numbers = pd.Series(range(len(names)), index=pd.Index(names, tupleize_cols=False))
    each: Any = [chosen] if isinstance(chosen, (str, Integral)) else chosen
    ends = (each.start, each.stop) if isinstance(each, slice) else (each := list(each))
    by_name = any(isinstance(one, str) for one in ends)
    return [int(number) for number in (numbers.loc[each] if by_name else numbers.iloc[each])]


def _made_of(step: Any, n_inputs: int) -> list[tuple[int, ...]]:
    """Return the inputs of each output of one transformer, by the names that it gives them."""
    markers = [f"\0{number}\0" for number in range(n_inputs)]
    unnamed = copy.copy(step)
    vars(unnamed).pop("feature_names_in_", None)
    try:
        outputs = unnamed.get_feature_names_out(np.array(markers, object))
    except (AttributeError, ValueError) as error:
        advice = "it needs a get_feature_names_out that takes the names of its inputs."
        if isinstance(step, FunctionTransformer):
            advice = (
                'set its feature_names_out="one-to-one" if each of its columns is made of the one '
                "at the same place; else to a function that returns names with those of the inputs "
                "in them, such as lambda step, names: [f'{name}_log' for name in names]."
            )
        raise TypeError(
            f"explain can't tell which columns {step!r} makes of which: {advice}"
        ) from error
    found = [tuple(map(int, re.findall("\0([0-9]+)\0", str(output)))) for output in outputs]
    return [numbers or tuple(range(n_inputs)) for numbers in found]


def _output_names(step: Any, names: list[Any], n_outputs: int) -> list[Any]:
    """Return the names under which the next step chooses columns."""
    try:
        return list(step.get_feature_names_out())
    except (AttributeError, ValueError):
        return names if len(names) == n_outputs else [f"x{i}" for i in range(n_outputs)]


def _inverse(step: Any, table: Table, columns: list[tuple[int, ...]], n_inputs: int) -> Table:
    unknown = np.full((len(table), n_inputs), np.nan, object)
    if isinstance(step, (SimpleImputer, KNNImputer)):
        # It drops columns without any value; indicators of missing values stand behind.
        n_indicators = len(step.indicator_.features_) if step.add_indicator else 0
        kept = [made[0] for made in columns[: len(columns) - n_indicators]]
        unknown[:, kept] = table[:, : len(kept)]
        return unknown
    one_way = isinstance(step, FunctionTransformer) and step.func is not None
    if not hasattr(step, "inverse_transform") or (one_way and step.inverse_func is None):
        return unknown
    try:
        numbers = np.asarray(table, np.float64)
    except (TypeError, ValueError):  # the step got categories from the inverse of a later one
        numbers = table
    # An encoder's inverse needs what it could have given: zeros and ones, or codes.
    if isinstance(step, OrdinalEncoder):
        last = [len(categories) - 1 for categories in step.categories_]
        numbers = np.clip(np.round(numbers), 0, last)
    elif getattr(step, "drop_idx_", None) is not None:
        numbers = np.round(numbers)
    try:
        inputs = np.asarray(step.inverse_transform(numbers), object)
    except (IndexError, ValueError):
        return unknown
    return inputs if inputs.shape == unknown.shape else unknown  # of text, words
