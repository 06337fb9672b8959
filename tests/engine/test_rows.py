"""Data that does not fit into memory, and streams of batches."""

from __future__ import annotations

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import engine
from skae._contracts import Batchable
from skae.engine import _blocks, _rows
from skae.engine._blocks import RowBlocks
from skae.engine._rows import Rows, Source, epoch_order
from tests.engine._networks import model_of, network_of, weights_of

D = 6


class Slices:
    """An array-like that yields slices of rows and nothing else."""

    def __init__(self, data):
        self.data, self.shape, self.largest, self.n_read = data, data.shape, 0, 0

    def __getitem__(self, index):
        assert isinstance(index, slice)
        part = self.data[index]
        self.largest = max(self.largest, len(part))
        self.n_read += len(part)
        return part


@pytest.fixture
def small_chunks(monkeypatch):
    """Read chunks of 8 rows of 6."""
    monkeypatch.setattr(_rows, "CHUNK_BYTES", 8 * 4 * D)


@pytest.fixture
def memmap(rows, tmp_path):
    """Return a memory map of the rows, float64."""
    path = tmp_path / "rows.dat"
    written = np.memmap(path, np.float64, "w+", shape=rows.shape)
    written[:] = rows
    written.flush()
    return np.memmap(path, np.float64, "r", shape=rows.shape)


@pytest.mark.parametrize("chunk", [None, 7, 1, 100])
def test_an_order_is_a_permutation_by_seed_and_epoch(chunk):
    orders = [epoch_order(30, seed=s, epoch=e, chunk=chunk) for s, e in ((0, 0), (0, 1), (1, 0))]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(30))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(orders[0], epoch_order(30, seed=0, epoch=0, chunk=chunk))


def test_an_order_goes_through_chunks_one_by_one():
    order = epoch_order(30, seed=0, epoch=0, chunk=7)
    assert np.count_nonzero(np.diff(order // 7)) == 4


@pytest.mark.parametrize("kind", [Slices, np.asarray, list])
def test_take_and_slice(kind, rows, small_chunks):
    source = Source(kind(rows.astype(np.float64)))
    indices = epoch_order(len(rows), seed=1, epoch=0, chunk=source.chunk)
    taken = np.empty(rows.shape, np.float32)
    source.take(indices, taken)
    np.testing.assert_array_equal(taken, rows[indices])
    np.testing.assert_array_equal(source.slice(3, 9), rows[3:9])


@pytest.mark.parametrize("name", ["keras", "compiled"])
def test_chunked_rows_train_alike(name, rows, memmap, train, make_dense, small_chunks):
    weights = []
    for data in (Slices(rows), memmap, Slices(rows.astype(np.float64))):
        network = make_dense()
        assert set(train(network, data, validation=data, name=name)) == {"loss", "val_loss"}
        weights.append(weights_of(network)[0])
        if isinstance(data, Slices):
            assert data.largest <= 10
    np.testing.assert_array_equal(weights[1], weights[0])
    np.testing.assert_array_equal(weights[2], weights[0])


def test_both_ways_see_the_same_chunks(rows, train, make_dense, small_chunks):
    weights = []
    for name in ("keras", "compiled"):
        network = make_dense()
        train(network, Slices(rows), name=name)
        weights.append(weights_of(network)[0])
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-6)


def test_a_small_memory_map_trains_like_its_array(rows, memmap, train, make_dense):
    first, second = make_dense(), make_dense()
    train(first, rows)
    train(second, memmap)
    np.testing.assert_array_equal(weights_of(first)[0], weights_of(second)[0])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("batch_size", "block_bytes"), [(10, 1), (1, 900)])
def test_blocks_leave_no_trace(
    rows, plan, train, make_dense, monkeypatch, batch_size, block_bytes, jit_compile
):
    """Float64 rows, with targets and weights, in one block, one a batch, and a short one first."""
    given = {"targets": rows[::-1].astype(float), "sample_weight": np.linspace(1, 2, len(rows))}
    plan = replace(plan, batch_size=batch_size, jit_compile=jit_compile)
    first, second = make_dense(), make_dense()
    losses = [train(first, rows.astype(float), plan=plan, **given)]
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", block_bytes)
    losses.append(train(second, rows.astype(float), plan=plan, **given))
    assert losses[0] == losses[1]
    for wanted, got in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(got, wanted)


class Failing(Slices):
    """An array-like whose last rows can't be read."""

    def __getitem__(self, index):
        if index.stop > 16:
            raise OSError("the disk is gone")
        return super().__getitem__(index)


def test_an_error_while_reading_ahead_is_not_lost(
    rows, train, make_dense, small_chunks, monkeypatch
):
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1)
    with pytest.raises(OSError, match="the disk is gone"):
        train(make_dense(), Failing(rows))


class Remembering(keras.layers.Layer):
    """Keeps the last batch, and takes part of it from the next."""

    def build(self, input_shape):
        self.last = self.add_weight(
            shape=(8, input_shape[-1]), initializer="zeros", trainable=False, name="last"
        )

    def call(self, x, training=None):
        seen = x - 0.5 * self.last if training else x
        if training:
            self.last.assign(x)
        return seen


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_a_layer_keeps_of_a_block_stays(train, plan, monkeypatch, jit_compile):
    X = np.random.default_rng(0).random((64, D), np.float32)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1)
    plan, losses = replace(plan, batch_size=8, jit_compile=jit_compile), []

    def make():
        dense = keras.layers.Dense(D, kernel_initializer="ones")
        return keras.Sequential([keras.Input((D,)), Remembering(), dense])

    for name in ("keras", "compiled"):
        network = network_of(make, "sgd", jit_compile=False)
        losses.append(train(network, X, plan=plan, name=name)["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    last = epoch_order(64, seed=plan.seed, epoch=plan.epochs - 1)[-8:]
    np.testing.assert_array_equal(model_of(network).layers[0].last.numpy(), X[last])


def test_reading_ahead_needs_no_pool(rows, train, make_dense, monkeypatch):
    """As when the interpreter ends while a daemon thread trains."""
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1)
    losses = [train(make_dense())]

    def refused(self, function):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    assert [train(make_dense())] == losses


def _peak_of(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_read_without_a_copy_of_all(order):
    source = Source(np.zeros((2000, 500), np.float32, order=order))
    out = np.empty((10, 500), np.float32)
    assert _peak_of(lambda: source.take(np.arange(10), out)) < 2**17


def test_blocks_are_bounded_where_targets_are_wide(train, plan):
    X, y = np.zeros((30_000, 6), np.float32), np.zeros((30_000, 600), np.float32)
    network = network_of(lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(600)]))
    plan = replace(plan, epochs=1, batch_size=100)
    peak = _peak_of(lambda: train(network, X, targets=y, plan=plan))
    assert peak < 3 * _blocks.BLOCK_BYTES


def test_a_batch_larger_than_the_rows_takes_no_more_memory(rows, plan, train, make_dense):
    networks = [make_dense(), make_dense()]
    for network, size in zip(networks, (len(rows), 10**9), strict=True):
        train(network, plan=replace(plan, batch_size=size))
    np.testing.assert_array_equal(*(weights_of(network)[0] for network in networks))


@pytest.mark.parametrize("fixed", [False, True])
def test_blocks_hold_until_the_next(rows, plan, small_chunks, monkeypatch, fixed):
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 10 * 4 * D)
    source = RowBlocks(
        Rows(Batchable(rows)), replace(plan, batch_size=5), shuffle=True, fixed=fixed
    )
    for epoch in range(2):
        order, done = epoch_order(len(rows), seed=plan.seed, epoch=epoch), 0
        for block in source.epoch(epoch):
            wanted = rows[order[done : done + block.n_rows]]
            np.testing.assert_array_equal(block.tensors[0][: block.n_rows], wanted)
            assert block.is_full == (fixed and done < 20)
            done += block.n_rows
        assert done == len(rows)


def test_views_of_a_memory_map_are_read_in_chunks(rows, memmap, small_chunks):
    views = (memmap[3:], memmap.reshape(-1, 2, 3)[3:], np.asarray(memmap)[3:].view(np.memmap))
    for view in views:
        source = Source(view)
        assert source.chunk == 8
        indices = epoch_order(len(source), seed=1, epoch=0, chunk=source.chunk)
        taken = np.empty(source.shape, source.dtype)
        source.take(indices, taken)
        np.testing.assert_array_equal(taken.reshape(-1, D), rows[3:][indices])
        assert source._held[1].nbytes <= _rows.CHUNK_BYTES


def test_slices_smaller_than_a_chunk_are_read_whole(rows):
    np.testing.assert_array_equal(Source(Slices(rows)).data, rows)


@pytest.mark.parametrize("narrow", ["inputs", "targets"])
def test_an_epoch_reads_every_row_once_where_targets_are_wider(rows, narrow, small_chunks):
    for epoch in range(20):
        parts = {"inputs": Slices(rows), "targets": Slices(rows)}
        parts[narrow] = Slices(rows[:, :3])
        read = Rows(Batchable(**parts))
        out = [np.empty((len(rows), *shape), np.float32) for shape in read.shapes]
        order = read.order(0, epoch, shuffle=True)
        read.take(order, out)
        for part, taken in zip(parts.values(), out, strict=True):
            np.testing.assert_array_equal(taken, part.data[order])
            assert part.n_read == len(rows)


def test_targets_that_are_the_inputs_are_read_once(rows):
    assert Rows(Batchable(rows, rows)).targets is None
    assert Rows(Batchable(rows, rows.copy())).targets is not None


class Batches(keras.utils.PyDataset):
    """Batches of 10 rows."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.rows[10 * index : 10 * index + 10]


STREAMS = {
    "dataset": lambda rows: tf.data.Dataset.from_tensor_slices(rows).batch(10),
    "pairs": lambda rows: tf.data.Dataset.from_tensor_slices((rows, rows)).batch(10),
    "pydataset": Batches,
    "generator": lambda rows: lambda: (rows[i : i + 10] for i in (0, 10, 20)),
}


@pytest.mark.parametrize("name", ["keras", "compiled"])
@pytest.mark.parametrize("kind", STREAMS)
def test_streams(kind, name, rows, train, make_dense):
    stream, plain = STREAMS[kind](rows), model_of(make_dense())
    history = train(make_dense(), stream, validation=stream, name=name)
    expected = plain.fit(rows, rows, batch_size=10, epochs=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"][0], expected["loss"][0], rtol=1e-5)
    # Keras counts one step too many wherever a stream's length is unknown.
    rtol = 1e-3 if name == "keras" else 1e-5
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=rtol)
    assert len(history["val_loss"]) == 3


@pytest.mark.parametrize("name", ["keras", "compiled"])
def test_filters_of_warnings_are_never_put_back(name, rows, train, make_dense, monkeypatch):
    def entered(self):
        raise AssertionError("another thread's filters would be put back")

    network, stream = make_dense(activation=lambda x: x * 0.5), STREAMS["generator"](rows)
    model_of(network)
    monkeypatch.setattr(warnings.catch_warnings, "__enter__", entered)
    train(network, name=name)
    engine.run(network, np.tile(rows, (9, 1)))
    train(network, stream, validation=stream, name=name)


@pytest.mark.parametrize("name", ["auto", "keras", "compiled"])
def test_streams_that_can_not_be_repeated(name, rows, train, make_dense):
    network = make_dense()
    with pytest.raises(TypeError, match="a generator can be iterated over only once"):
        train(network, (row for row in rows), name=name)
    with pytest.raises(ValueError, match="gave no batch of samples; .* return a new iterator"):
        train(network, lambda: iter(()), name=name)


def test_fits_leave_no_memory_behind(train):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()

    def make():
        # Stable names: TensorFlow never forgets the name of a variable.
        layers = [keras.layers.Dense(size, name=f"dense_{size}") for size in (3, D)]
        return keras.Sequential([keras.Input((D,), name="inputs"), *layers], name="model")

    def fit():
        train(network_of(make, lambda: keras.optimizers.Adam(name="adam")))

    for _ in range(10):
        fit()
    before = process.memory_info().rss
    for _ in range(30):
        fit()
    grown = (process.memory_info().rss - before) / 30 / 2**20
    assert grown < 0.2, f"{grown:.2f} MB a fit"
