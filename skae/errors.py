"""Errors of a reconstruction, value by value.

They are plain operators, so that they work on NumPy arrays and, inside a compiled program, on
tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from skae._contracts import ErrorFunction
from skae._messages import did_you_mean

__all__ = ["AbsoluteError", "CustomError", "SquaredError", "resolve_error"]


@dataclass(unsafe_hash=True)
class AbsoluteError:
    """The absolute error ``|x - r|``, in units of the features.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.errors import AbsoluteError
    >>> AbsoluteError()(np.array([1.0, 2.0]), np.array([1.5, 0.0]))
    array([0.5, 2. ])
    """

    name: str = field(default="absolute", init=False)

    def __call__(self, inputs: Any, reconstruction: Any) -> Any:
        """Return the error of every value.

        Parameters
        ----------
        inputs, reconstruction : ndarray or tensor of one shape

        Returns
        -------
        ndarray or tensor of that shape
        """
        return abs(inputs - reconstruction)


@dataclass(unsafe_hash=True)
class SquaredError:
    """The squared error ``(x - r) ** 2``, in squared units of the features.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.errors import SquaredError
    >>> SquaredError()(np.array([1.0, 2.0]), np.array([1.5, 0.0]))
    array([0.25, 4.  ])
    """

    name: str = field(default="squared", init=False)

    def __call__(self, inputs: Any, reconstruction: Any) -> Any:
        """Return the error of every value.

        Parameters
        ----------
        inputs, reconstruction : ndarray or tensor of one shape

        Returns
        -------
        ndarray or tensor of that shape
        """
        difference = inputs - reconstruction
        return difference * difference


@dataclass(unsafe_hash=True)
class CustomError:
    """A user-defined error function.

    Parameters
    ----------
    function : callable
        ``function(inputs, reconstruction)`` returns the error of every value, shaped like
        `inputs`. It is called with NumPy arrays or with tensors, so it must use
        only operators and ``keras.ops``.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.errors import CustomError
    >>> cubic = CustomError(lambda x, r: abs(x - r) ** 3)
    >>> cubic(np.array([1.0]), np.array([3.0]))
    array([8.])
    """

    function: Callable[[Any, Any], Any]
    name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.name = str(getattr(self.function, "__name__", type(self.function).__name__))

    def __call__(self, inputs: Any, reconstruction: Any) -> Any:
        """Return the error of every value.

        Parameters
        ----------
        inputs, reconstruction : ndarray or tensor of one shape

        Returns
        -------
        ndarray or tensor of that shape
        """
        return self.function(inputs, reconstruction)


_NAMED: dict[str, Callable[[], ErrorFunction]] = {
    "absolute": AbsoluteError,
    "squared": SquaredError,
}


def resolve_error(error: str | Callable[[Any, Any], Any], loss: Any = None) -> ErrorFunction:
    """Return the error function for a name or a callable.

    Parameters
    ----------
    error : {"auto", "absolute", "squared"} or callable
        "auto" is the absolute error where `loss` is the mean absolute error, and the squared
        error otherwise. A callable takes inputs and reconstruction and returns the error of every
        value.
    loss : str, callable, keras.losses.Loss or None, default=None
        The loss that the network is trained with, as Keras takes it.

    Returns
    -------
    ErrorFunction
        Has a ``name``, and returns the error of every value for inputs and reconstruction.

    Raises
    ------
    ValueError
        If `error` is a name that is not known.
    TypeError
        If `error` is neither a name nor a callable.

    Examples
    --------
    >>> from skae.errors import resolve_error
    >>> resolve_error("auto", loss="mae").name
    'absolute'
    >>> resolve_error("auto", loss="binary_crossentropy").name
    'squared'
    """
    if isinstance(error, str):
        if error == "auto":
            error = "absolute" if _is_mae(loss) else "squared"
        if error not in _NAMED:
            known = ["auto", *_NAMED]
            raise ValueError(
                f"error={error!r} is not known.{did_you_mean(error, known)} Pass one of {known}, "
                "or a function of inputs and reconstruction."
            )
        return _NAMED[error]()
    if isinstance(error, AbsoluteError | SquaredError | CustomError):
        return error
    if not callable(error):
        raise TypeError(
            f"error={error!r} is neither a name nor a callable; pass one of "
            f"{['auto', *_NAMED]}, or a function of inputs and reconstruction."
        )
    return CustomError(error)


def _is_mae(loss: Any) -> bool:
    """Return whether a loss is the mean absolute error: by name, function, class or instance.

    Names are compared, because this module does without Keras.
    """
    if isinstance(loss, str):
        names = [loss]
    elif isinstance(loss, type):
        names = [cls.__name__ for cls in loss.__mro__]
    else:
        names = [str(getattr(loss, "__name__", ""))]
        names += [cls.__name__ for cls in type(loss).__mro__]
    plain = {name.lower().replace("_", "") for name in names}
    return not plain.isdisjoint({"mae", "meanabsoluteerror"})
