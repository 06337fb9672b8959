"""The main job from end to end: compress, denoise and detect, beside PCA and IsolationForest.

Run with ``make demo`` or ``python examples/demo.py``. Reads the digits inside scikit-learn, and the
real ECG5000 heartbeats where they are in ``SKAE_DATA`` or the cache, otherwise generated ones.
Writes three pictures into ``demo-output/``.
"""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector
from skae.datasets import fetch_ecg5000, make_ecg_beats

mpl.use("Agg")
import matplotlib.pyplot as plt

OUTPUT = Path("demo-output")
LATENT_DIM = 8
NOISE = 0.25
NORMAL, ABNORMAL = "tab:blue", "tab:red"


def mean_squared(a, b):
    """Return the mean squared difference of two arrays."""
    return float(np.mean((a - b) ** 2))


def fitted(estimator, *data):
    """Return an estimator fitted on data, and how many seconds that took."""
    start = time.perf_counter()
    return estimator.fit(*data), time.perf_counter() - start


def row(name, *values):
    """Print one line of a table."""
    shown = "".join(f"{value:>11.4f}" if value is not None else " " * 11 for value in values[:-1])
    seconds = "" if values[-1] is None else f"{values[-1]:>9.1f}"
    print(f"  {name:<40}{shown}{seconds}".rstrip())


def head(title, *columns):
    """Print the head of a table."""
    print(f"\n{title}\n  {'':<40}" + "".join(f"{column:>11}" for column in columns[:-1]), end="")
    print(f"{columns[-1]:>9}")


def save(figure, name):
    """Write a figure and return its path."""
    OUTPUT.mkdir(exist_ok=True)
    figure.savefig(OUTPUT / name, dpi=120)
    plt.close(figure)
    return OUTPUT / name


def draw_digits(rows, title, name):
    """Draw digits, one line of images for each ``(label, images)``."""
    figure, axes = plt.subplots(len(rows), 10, figsize=(9.5, 0.85 * len(rows) + 0.7))
    for line, (label, images) in zip(axes, rows, strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    figure.subplots_adjust(
        left=0.22, right=0.98, bottom=0.03, top=1 - 0.6 / (0.85 * len(rows) + 0.7)
    )
    return save(figure, name)


def compress(train, test):
    """Compress digits to a few numbers and bring them back."""
    coder, seconds = fitted(
        AutoencoderTransformer(
            latent_dim=LATENT_DIM,
            hidden_layer_sizes=(128, 64),
            scale=False,
            optimizer="adam",
            epochs=100,
            batch_size=32,
            random_state=0,
        ),
        train,
    )
    pca, pca_seconds = fitted(PCA(LATENT_DIM), train)
    ours = coder.inverse_transform(coder.transform(test))
    theirs = pca.inverse_transform(pca.transform(test))
    errors = mean_squared(test, ours), mean_squared(test, theirs)
    head(f"Compress {len(test)} unseen digits, 64 values to {LATENT_DIM}", "mse", "fit (s)")
    row("AutoencoderTransformer", errors[0], seconds)
    row(f"PCA({LATENT_DIM})", errors[1], pca_seconds)
    rows = [
        ("original", test),
        (f"skae\nmse {errors[0]:.4f}", ours),
        (f"PCA\nmse {errors[1]:.4f}", theirs),
    ]
    title = f"Digits after compression from 64 values to {LATENT_DIM}"
    return draw_digits(rows, title, "compressed-digits.png")


def denoise(train, test):
    """Remove noise from digits; the estimator sees clean ones alone and makes its own noise."""
    noisy = test + np.random.default_rng(0).normal(0, NOISE, test.shape)
    cleaner, seconds = fitted(
        DenoisingRegressor(
            latent_dim=32,
            hidden_layer_sizes=(256,),
            scale=False,
            noise__stddev=NOISE,
            optimizer="adam",
            epochs=100,
            batch_size=32,
            random_state=0,
        ),
        train,
    )
    pca, pca_seconds = fitted(PCA(16), train)
    ours = cleaner.predict(noisy)
    theirs = pca.inverse_transform(pca.transform(noisy))
    head(f"Denoise {len(test)} unseen digits, noise of {NOISE}", "mse", "fit (s)")
    row("the noisy digits themselves", mean_squared(test, noisy), None)
    row("DenoisingRegressor", mean_squared(test, ours), seconds)
    row("PCA(16), to the subspace and back", mean_squared(test, theirs), pca_seconds)
    rows = [
        (f"noisy\nmse {mean_squared(test, noisy):.4f}", noisy),
        (f"skae\nmse {mean_squared(test, ours):.4f}", ours),
        (f"PCA\nmse {mean_squared(test, theirs):.4f}", theirs),
        ("clean", test),
    ]
    title = f"Digits with Gaussian noise of standard deviation {NOISE}, denoised"
    return draw_digits(rows, title, "denoised-digits.png")


def heartbeats():
    """Return the beats, their labels (+1 normal, -1 abnormal), and where they come from."""
    try:
        beats, label = fetch_ecg5000(return_X_y=True, download_if_missing=False)
    except OSError:
        beats, label = make_ecg_beats(4998, contamination=0.4, random_state=0)
        return beats, label, "generated beats: ECG5000 is neither in SKAE_DATA nor in the cache"
    # The last two rows are not in the table of the tutorials that the figures are compared with.
    return beats[:4998], label[:4998], "real beats of ECG5000"


def verdict(name, label, is_normal, score, seconds):
    """Print how well rows were classified, normal as the positive class."""
    row(
        name,
        accuracy_score(label, is_normal),
        precision_score(label, is_normal),
        recall_score(label, is_normal),
        roc_auc_score(label, score),
        seconds,
    )


def detect():
    """Tell abnormal heartbeats from normal ones, trained on normal ones alone."""
    beats, label, source = heartbeats()
    train, test, train_label, test_label = train_test_split(
        beats, label, test_size=0.2, random_state=21
    )
    low, high = train.min(), train.max()
    normal, test = ((rows - low) / (high - low) for rows in (train[train_label == 1], test))
    detector, seconds = fitted(
        ReconstructionOutlierDetector(
            hidden_layer_sizes=(32, 16),
            scale=False,
            n_std=1.0,
            optimizer="adam",
            loss="mae",
            epochs=20,
            batch_size=512,
            random_state=0,
        ),
        normal,
    )
    columns = ("accuracy", "precision", "recall", "ROC AUC", "fit (s)")
    head(f"Detect, {len(normal)} normal beats seen, {len(test)} to judge ({source})", *columns)
    verdict(
        "ReconstructionOutlierDetector",
        test_label,
        detector.predict(test),
        detector.score_samples(test),
        seconds,
    )
    judge_peers(normal, test, test_label)
    return draw_beats(detector, test, test_label, source.partition(":")[0])


def judge_peers(normal, test, label):
    """Print what PCA, with the same rule for the threshold, and IsolationForest reach."""
    pca, seconds = fitted(PCA(8), normal)
    seen, unseen = (
        np.abs(rows - pca.inverse_transform(pca.transform(rows))).mean(axis=1)
        for rows in (normal, test)
    )
    is_normal = np.where(unseen <= seen.mean() + seen.std(), 1, -1)
    verdict("PCA(8), threshold at mean + 1 std", label, is_normal, -unseen, seconds)
    forest, seconds = fitted(IsolationForest(random_state=0), normal)
    verdict("IsolationForest", label, forest.predict(test), forest.score_samples(test), seconds)


def draw_beats(detector, test, label, source):
    """Draw a normal and an abnormal beat with their reconstructions, and all errors."""
    errors = detector.reconstruction_error(test)
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    kinds = (1, "Normal", NORMAL), (-1, "Abnormal", ABNORMAL)
    for ax, (kind, name, color) in zip(axes, kinds, strict=False):
        among = np.flatnonzero(label == kind)
        shown = among[np.argsort(errors[among])[len(among) // 2]]
        beat, again = test[shown], detector.reconstruct(test[[shown]])[0]
        ax.plot(beat, color=color, label="beat")
        ax.plot(again, color="black", linestyle="--", label="reconstruction")
        ax.fill_between(np.arange(beat.size), beat, again, color=color, alpha=0.25, label="error")
        ax.set(title=f"{name} beat, error {errors[shown]:.3f}", xlabel="point in time")
        ax.legend(loc="best", fontsize="small")
    axes[0].set_ylabel("signal, scaled to [0, 1]")
    bins = np.linspace(0, np.quantile(errors, 0.995), 60)
    axes[2].hist(errors[label == 1], bins, color=NORMAL, alpha=0.6, label="normal")
    axes[2].hist(errors[label == -1], bins, color=ABNORMAL, alpha=0.6, label="abnormal")
    axes[2].axvline(
        detector.threshold_, color="black", label=f"threshold {detector.threshold_:.3f}"
    )
    axes[2].set(title="Errors of all beats", xlabel="mean absolute error", ylabel="beats")
    axes[2].legend(fontsize="small")
    figure.suptitle(f"Heartbeats ({source})")
    return save(figure, "heartbeats.png")


def main():
    """Run the three jobs and name the pictures."""
    train, test = train_test_split(load_digits().data / 16, test_size=0.25, random_state=0)
    pictures = [compress(train, test), denoise(train, test), detect()]
    print("\nPictures: " + ", ".join(map(str, pictures)))


if __name__ == "__main__":
    main()
