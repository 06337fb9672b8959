"""Matrix products equal TensorFlow's convolutions in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from skae.networks._correlation import Correlation

CHANNELS = [(2, 3), (3, 2)]
# Of the large image, of the window and of the strides, longer and shorter than one another.
ONE_AXIS = list(itertools.product((5, 6, 9), (1, 2, 3, 5), (1, 2, 3)))
TWO_AXES = [((6, 9), (3, 3), (2, 2)), ((5, 6), (2, 3), (1, 1)), ((7, 9), (5, 1), (1, 3))]
GRIDS = [((side,), (window,), (stride,)) for side, window, stride in ONE_AXIS] + TWO_AXES


def normal(*shape):
    return tf.constant(np.random.default_rng(len(shape)).normal(size=shape))


def images(large, window, strides, padding, channels):
    """Return a large image, a small one and a kernel."""
    kernel, image = normal(*window, *channels), normal(2, *large, channels[0])
    shape = tf.nn.convolution(image, kernel, list(strides), padding.upper()).shape
    return image, normal(*shape), kernel


def gradients(make, weight, image, kernel):
    """Return an image, its gradients in both arguments, and the gradients of these."""
    arguments = [image, kernel]
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(arguments)
        with tf.GradientTape() as inner:
            inner.watch(arguments)
            made = make(image, kernel)
            # Not linear in what is made, or the second gradients would say nothing.
            total = tf.reduce_sum(weight * made**2)
        first = inner.gradient(total, arguments)
        size = tf.reduce_sum([tf.reduce_sum(gradient**2) for gradient in first])
    return [made, *first, *outer.gradient(size, arguments)]


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_products_are_tensorflows_convolutions(grid, padding, channels):
    large, small, kernel = images(*grid, padding, channels)
    correlation, strides, pads = Correlation(*grid, padding), list(grid[2]), padding.upper()
    pairs = [
        (
            (correlation.down, large, small),
            lambda image, kernel: tf.nn.convolution(image, kernel, strides, pads),
        ),
        (
            (correlation.up, small, large),
            lambda image, kernel: tf.nn.conv_transpose(image, kernel, large.shape, strides, pads),
        ),
    ]
    # In eager mode TensorFlow has no second gradients of transposed convolutions of two axes.
    run = tf.function(gradients, autograph=False) if len(strides) > 1 else gradients
    for (make, image, weight), oracle in pairs:
        got = run(make, weight, image, kernel)
        for value, wanted in zip(got, run(oracle, weight, image, kernel), strict=True):
            assert_allclose(value, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max(initial=1))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_is_laid_out_is_counted(grid, padding):
    large, small, _ = images(*grid, padding, CHANNELS[0])
    correlation = Correlation(*grid, padding)
    laid_out = [correlation._windows(large), correlation._reaching(small)]
    assert len(large) * correlation.n_values(CHANNELS[0]) == max(map(np.size, laid_out))
