"""Generated heartbeats: the waves match the labels, and can be learned."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from skae.datasets import make_ecg_beats

# Where the waves are, in points of the 140: the cycle starts at -pi, R is at its middle.
P_WAVE, R_WAVE, ST_SEGMENT, T_WAVE = slice(40, 54), slice(67, 74), slice(82, 90), slice(98, 112)


@pytest.fixture(scope="module")
def beats():
    return make_ecg_beats(3000, contamination=0.4, noise=0.0, random_state=0, return_X_y=False)


def means_by_class(beats, part):
    height = beats.data[:, part].mean(axis=1)
    return {label: height[beats.target_class == label].mean() for label in range(1, 6)}


def test_shapes_labels_and_contamination():
    X, y = make_ecg_beats(250, contamination=0.2, random_state=0)
    assert X.shape == (250, 140)
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert y.shape == (250,)
    assert (y == -1).sum() == 50
    assert (y == 1).sum() == 200


def test_classes_are_equal_parts_and_mixed(beats):
    assert np.bincount(beats.target_class).tolist() == [0, 1800, 300, 300, 300, 300]
    assert_array_equal(beats.target == 1, beats.target_class == 1)
    assert abs(np.flatnonzero(beats.target == -1).mean() - 1500) < 100
    assert beats.class_names.shape == (5,)
    assert "McSharry" in beats.DESCR


def test_a_normal_beat_has_its_waves_in_order(beats):
    normal = beats.data[beats.target == 1].mean(axis=0)
    assert normal.argmax() == 70
    assert 0.2 < normal[P_WAVE].max() < 0.4
    assert 1.0 < normal[R_WAVE].max() < 1.3
    assert 0.35 < normal[T_WAVE].max() < 0.6
    assert normal[62:67].min() < 0 > normal[74:80].min()


def test_abnormal_beats_differ_where_their_names_say(beats):
    p_wave, st_segment, t_wave = (
        means_by_class(beats, part) for part in (P_WAVE, ST_SEGMENT, T_WAVE)
    )
    assert p_wave[5] < 0.3 * p_wave[1]
    assert p_wave[2] < 0.5 * p_wave[1]
    assert st_segment[3] < st_segment[1] - 0.05
    assert t_wave[4] < 0.3 * t_wave[1]
    assert t_wave[2] < 0.3 * t_wave[1]
    assert abs(t_wave[5] - t_wave[1]) < 0.05
    width = (beats.data > 0.5 * beats.data.max(axis=1, keepdims=True)).sum(axis=1)
    assert np.median(width[beats.target_class == 2]) > 2 * np.median(width[beats.target == 1])


def test_noise_is_the_standard_deviation_of_white_noise():
    quiet = make_ecg_beats(200, noise=0.0, random_state=3)[0]
    noisy = make_ecg_beats(200, noise=0.2, random_state=3)[0]
    noise = noisy - quiet
    assert abs(noise.std() - 0.2) < 0.005
    assert abs(np.mean(noise[:, 1:] * noise[:, :-1])) < 0.002


def test_seeds_repeat_and_differ():
    first, again = (make_ecg_beats(20, random_state=5)[0] for _ in range(2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, make_ecg_beats(20, random_state=6)[0])
    shared = np.random.RandomState(5)
    assert_array_equal(first, make_ecg_beats(20, random_state=shared)[0])
    assert not np.array_equal(first, make_ecg_beats(20, random_state=shared)[0])


def test_a_seed_leaves_the_global_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is the subject
    make_ecg_beats(20, random_state=5)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", range(3))
def test_reconstruction_finds_the_abnormal_beats_but_not_without_learning(seed):
    beats = make_ecg_beats(1500, contamination=0.3, random_state=seed, return_X_y=False)
    train, test = beats.data[:750], beats.data[750:]
    normal = train[beats.target[:750] == 1]
    is_outlier = beats.target[750:] == -1
    errors = {}
    for n_components in (1, 6):
        pca = PCA(n_components).fit(normal)
        reconstruction = pca.inverse_transform(pca.transform(test))
        errors[n_components] = np.mean((test - reconstruction) ** 2, axis=1)
    assert 0.95 < roc_auc_score(is_outlier, errors[6]) < 0.9999
    assert roc_auc_score(is_outlier, errors[6]) > roc_auc_score(is_outlier, errors[1])


def test_frames_have_the_same_values():
    X, y = make_ecg_beats(30, random_state=0)
    frame, labels = make_ecg_beats(30, random_state=0, as_frame=True)
    assert_array_equal(frame.to_numpy(), X)
    assert_array_equal(labels.to_numpy(), y)
    assert labels.name == "target"
    assert list(frame.columns[:2]) == ["t0", "t1"]


@pytest.mark.parametrize("contamination", [0.0, 1.0])
def test_one_class_alone(contamination):
    y = make_ecg_beats(9, contamination=contamination, random_state=0)[1]
    assert set(y) == {1 if contamination == 0 else -1}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_samples": 0}, r"n_samples must be an int .* \[1, inf\); got 0"),
        ({"n_samples": 2.5}, "n_samples must be an int .* got 2.5"),
        ({"contamination": 1.1}, r"contamination must be .* \[0.0, 1.0\]; got 1.1"),
        ({"contamination": np.nan}, "contamination must be .* got nan"),
        ({"noise": -1}, "noise must be .* got -1"),
        ({"noise": np.inf}, "noise must be .* got inf"),
    ],
)
def test_parameters_out_of_range_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        make_ecg_beats(**options)
