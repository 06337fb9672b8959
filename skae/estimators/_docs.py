"""The documentation that the estimators share, written once."""

from __future__ import annotations

import inspect
from typing import TypeVar

from skae._docs import entries, hide_annotations_of, parameters_of

_Class = TypeVar("_Class")
_SHARED = """
Parameters
----------
model : {"dense", "linear", "conv", "recurrent", "variational"} or callable, default="dense"
    Name of a built-in network, or a callable that returns a Keras model: a function, or a
    ``keras.Model`` subclass passed as the class itself. A callable receives the parameters
    that its signature names and its own ``model__*``.
latent_dim : int, "auto" or None, default="auto"
    Size of the code. "auto" is half the number of features, at least 1 and at most 8, so that
    a sample of more than one feature can't be copied. None, with ``model="conv"``: no dense
    bottleneck, the last feature map is the code.
hidden_layer_sizes : int or array-like of int, default=(64,)
    Sizes of the encoder's hidden layers; the decoder mirrors them.
activation : str or callable, default="relu"
    Activation of the hidden layers, as Keras takes it.
output_activation : str, callable or None, default=None
    Activation of the last layer; None is linear.
input_shape : tuple of int or None, default=None
    Shape of one sample, to which the rows of a 2-D `X` are reshaped internally. None takes
    the shape from `X`.
scale : bool or "auto", default="auto"
    Whether the network sees standardized columns: less their mean, divided by their standard
    deviation. Losses, errors and ``score`` are in these units then; reconstructions and decoded
    codes in those of `X`. "auto" standardizes tables for built-in networks, unless
    `output_activation` or `loss` needs values in a range, or the options of `noise`
    (``noise__stddev``) are in the units of `X`.
noise : str, keras.layers.Layer or None, default=None
    Noise added to the input during training, drawn anew for every batch: "gaussian",
    "uniform", "masking" (or "dropout"), "salt_and_pepper", or a Keras layer. ``noise__*``
    is routed to a noise by name. None adds none. In the units of the network, see `scale`.
optimizer : str, class or keras.optimizers.Optimizer, default="auto"
    As Keras takes it; ``optimizer__learning_rate`` is routed to it. "auto" is "adam", with a
    learning rate of 0.003 for built-in networks.
loss : str, callable or keras.losses.Loss, default="mse"
    As Keras takes it.
metrics : list, dict, str, callable or None, default=None
    As Keras takes them; their values by epoch are in ``history_``.
epochs : int or "auto", default="auto"
    Passes over the training samples. "auto" makes as many as give 1,000 steps, at least one.
batch_size : int, default=256
    Samples in a batch; the last, smaller batch is never dropped.
shuffle : bool, default=True
    Whether to shuffle the samples before every epoch.
validation_split : float in [0, 1), default=0.0
    Fraction of the samples, drawn at random, to hold out for ``val_loss``. Ignored if `fit`
    gets `X_val`.
early_stopping : bool, default=False
    Whether to stop training when ``val_loss`` no longer improves, and restore the best
    weights. Without `X_val` or a `validation_split`, 0.1 of the samples are held out.
patience : int, default=10
    Epochs without a better ``val_loss`` before early stopping ends the training.
callbacks : list, dict, class or keras.callbacks.Callback, default=None
    Keras callbacks, which see every epoch. Classes are built with ``callbacks__*``; objects
    run themselves, and `clone` copies each of them without what it points to.
warm_start : bool, default=False
    Whether `fit` continues training from the weights of the last fit.
verbose : int, default=0
    0 is silent, 1 shows one progress bar, 2 prints a line per epoch.
random_state : int, RandomState instance or None, default=None
    Seeds the weights, the noise, the held-out samples and the order of samples. An int makes a fit
    repeatable bit for bit on a CPU; None draws from NumPy's global state.
engine : {"auto", "compiled", "keras"}, default="auto"
    How the network is trained: by compiled epochs or by ``keras.Model.fit``. "auto" compiles
    wherever compiled programs support all that is requested.
jit_compile : bool or "auto", default="auto"
    Whether XLA compiles the network; "auto" chooses by its layers and the number of steps.
**routed : dict
    Routed parameters: ``optimizer__learning_rate``, ``model__*``, ``callbacks__*``,
    ``noise__*`` and so on. `fit` raises an error for unknown names.

Attributes
----------
model_ : keras.Model
    Input to output, in the units of the network: standardized with ``scaler_`` where there is one.
encoder_, decoder_ : keras.Model or None
    Views on the two halves of ``model_``; None if a user-defined model has none.
history_ : dict of str to list of float
    Losses and metrics of every epoch since the network was initialized, warm starts and
    `partial_fit` included.
n_iter_ : int
    Number of these epochs.
engine_ : str
    "compiled" or "keras": how the network was trained.
callbacks_ : list of keras.callbacks.Callback
    The callbacks that ran in the last fit. Not pickled.
scaler_ : sklearn.preprocessing.StandardScaler or None
    Means and standard deviations of the columns; None where they are not standardized.
n_features_in_ : int
    Number of values per sample.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the columns, if all of them are strings.
"""


def documented(estimator: type[_Class]) -> type[_Class]:
    """Complete the docstring of an estimator, so that ``help`` describes every parameter.

    A docstring describes its own parameters; `_SHARED` has the others.
    """
    doc = inspect.cleandoc(estimator.__doc__ or "")
    hide_annotations_of(estimator)
    if not doc:  # python -OO
        return estimator
    before, heading, after = doc.partition("\n\nSee Also\n")
    summary = before.partition("\n\nParameters\n")[0].partition("\n\nAttributes\n")[0]
    described = entries(_SHARED, "Parameters") | entries(doc, "Parameters")
    parameters = dict.fromkeys(described[name] for name in parameters_of(estimator.__init__))
    own, shared = entries(doc, "Attributes"), entries(_SHARED, "Attributes")
    attributes = dict.fromkeys((own | shared | own).values())
    lines = [summary, "", "Parameters", "----------", *parameters]
    lines += ["", "Attributes", "----------", *attributes]
    estimator.__doc__ = "\n".join(lines) + heading + after
    return estimator
