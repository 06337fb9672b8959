"""Small versions of the tutorials' systems run, and their reports are correct."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from examples.reproduction import data, images, report, signals
from skae.datasets import make_ecg_beats


def figures(rows):
    found = list(rows)
    assert all(len(row.cells()) == len(report.HEADS) for row in found)
    return {row.figure: row.skae for row in found}


@functools.cache
def _rows_of(system, engine, options):
    return list(system(engine=engine, **dict(options)))


def rows_of(system, engine="compiled", **options):
    """Return the rows of a system; tests that look at the same ones share them."""
    return _rows_of(system, engine, tuple(sorted(options.items())))


def number(text):
    return float(text.split()[0])


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    """Put 28 x 28 digits and generated beats in the place of the real data."""
    wide = np.kron(load_digits().images[:96] / 16, np.ones((3, 3)))
    digits = np.pad(wide, [(0, 0), (2, 2), (2, 2)]).astype(np.float32)
    beats, label = make_ecg_beats(600, contamination=0.3, random_state=0)
    halves = beats[:400], beats[400:], label[:400], label[400:]
    monkeypatch.setattr(data, "fashion_mnist", lambda *_: (digits[:64], digits[64:], digits[64:]))
    monkeypatch.setattr(data, "mnist", lambda: (digits[:64], digits[64:], digits[64:]))
    monkeypatch.setattr(data, "heartbeats", lambda: halves)


def test_dense_learns_and_stands_beside_keras():
    rows = list(images.dense(seeds=(0,), epochs=3))
    assert [row.keras != "" for row in rows] == [True, False]
    assert all(0 < number(row.skae) < 0.25 for row in rows)


def test_the_denoiser_has_the_published_network():
    found = figures(rows_of(images.denoiser, seeds=(0,), epochs=1, keras_too=False))
    assert found["parameters, encoder and decoder"] == "1320 and 1897"
    assert all(0 < number(found[name]) < 0.5 for name in found if "test mse" in name)


def test_the_stack_reports_its_own_metric():
    found = figures(rows_of(images.stacked, epochs=2, keras_too=False))
    assert 0.5 < number(found["rounded accuracy"]) <= 1


def test_the_variational_autoencoder_generates_twelve_images():
    found = figures(rows_of(images.variational, seeds=(0,), epochs=2, keras_too=False))
    assert found["shape of sample(12)"] == "(12, 28, 28)"
    assert number(found["KL of a code, in nats"]) > 0
    drawn, mean = (
        number(found[f"validation loss, {codes}"]) for codes in ("codes drawn", "posterior mean")
    )
    assert drawn == pytest.approx(mean, rel=0.2)


def test_up_sampling_gives_codes_of_ten_and_of_two():
    found = figures(rows_of(images.upsampling, epochs=1, keras_too=False))
    assert [name[-6:] for name in found] == ["z = 10", " z = 2"]
    assert all(0 < number(figure) < 0.3 for figure in found.values())


def test_heartbeats_are_judged_like_the_tutorial():
    rows = list(signals.heartbeats(seeds=(0,), epochs=20))
    assert [row.figure for row in rows] == ["accuracy", "precision", "recall"]
    assert [row.published for row in rows] == ["0.944", "0.992", "0.907"]
    assert all(0.5 < number(text) <= 1 for row in rows for text in (row.skae, row.keras))


def test_the_better_detector_is_chosen_without_the_test_part(monkeypatch):
    every = signals.candidates

    def dense(*options):
        return {name: pool for name, pool in every(*options).items() if "dense" in name}

    monkeypatch.setattr(signals, "candidates", dense)
    train, test, train_label, label = data.heartbeats()
    chosen = []
    for shift in (0.0, 5.0):
        parts = (train, test + shift, train_label, label)
        monkeypatch.setattr(data, "heartbeats", lambda parts=parts: parts)
        rows = list(signals.better_heartbeats(scale=0.05))
        chosen.append({row.system for row in rows})
        assert len(rows) == 9
    assert chosen[0] == chosen[1]


def test_dense_and_recurrent_networks_are_judged_by_the_same_cuts():
    rows = rows_of(signals.recurrent, seeds=(0,), epochs=2)
    assert [row.system for row in rows] == ["heartbeats, dense"] * 6 + ["heartbeats, recurrent"] * 6
    assert [row.figure for row in rows[:6]] == [row.figure for row in rows[6:]]
    assert all(0 < number(row.skae) <= 1 for row in rows)
    networks = [each.model for each in signals.sequence_readers().values()]
    assert networks == ["dense", "recurrent"]


def test_the_linear_autoencoder_finds_pcas_plane():
    found = figures(signals.linear())
    assert number(found["angle to PCA's plane, 300 epochs"]) < 2
    assert 1 <= number(found["mse over PCA's"]) < 1.05


@pytest.mark.parametrize(
    ("system", "options"),
    [
        (images.dense, {"seeds": (0,), "epochs": 3, "keras_too": False}),
        (images.denoiser, {"seeds": (0,), "epochs": 1, "keras_too": False}),
        (images.stacked, {"epochs": 2, "keras_too": False}),
        (images.variational, {"seeds": (0,), "epochs": 2, "keras_too": False}),
        (images.upsampling, {"epochs": 1, "keras_too": False}),
        (signals.heartbeats, {"seeds": (0,), "keras_too": False}),
        (signals.linear, {"epochs": 30}),
        (signals.recurrent, {"seeds": (0,), "epochs": 2}),
    ],
)
def test_the_engine_and_keras_loop_reach_the_same_figures(system, options):
    compiled, keras = (rows_of(system, engine, **options) for engine in ("compiled", "keras"))
    for ours, theirs in zip(compiled, keras, strict=True):
        assert (ours.system, ours.figure) == (theirs.system, theirs.figure)
        if re.fullmatch(r"\d+\.\d+", ours.skae):
            assert number(ours.skae) == pytest.approx(number(theirs.skae), rel=1e-3, abs=2e-4)
        else:
            assert ours.skae == theirs.skae


def test_the_report_is_a_table():
    row = report.Row("dense", "test mse", "0.0088", "0.0087", "", "1.0")
    assert (
        report.line(row.cells(), markdown=True) == "| dense | test mse | 0.0088 | 0.0087 |  | 1.0 |"
    )
    assert report.head(markdown=True).count("|") == 14
    assert report.median_of([0.3, 0.1, 0.2]) == "0.2000 (0.1000-0.3000)"
