"""
Which heartbeats are abnormal, and where should the threshold be?
=================================================================

A detector that has seen normal heartbeats alone can't reconstruct the others. Its error ranks the
beats; the threshold decides, and it can be moved without training.

Reads the real ECG5000 in full where it is in ``SKAE_DATA`` or the cache, and generates beats
otherwise.
"""

# %%
# The beats
# ---------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split

from skae import ReconstructionOutlierDetector
from skae.datasets import fetch_ecg5000, make_ecg_beats
from skae.inspection import (
    ErrorHistogramDisplay,
    SignalReconstructionDisplay,
    ThresholdCurveDisplay,
)

try:
    beats, label = fetch_ecg5000(return_X_y=True, download_if_missing=False)
    beats, label, source = beats[:4998], label[:4998], "ECG5000"
except OSError:
    beats, label = make_ecg_beats(4998, contamination=0.4, random_state=0)
    source = "generated beats"
train, test, train_label, test_label = train_test_split(
    beats, label, test_size=0.2, random_state=21
)
low, high = train.min(), train.max()
train, test = (train - low) / (high - low), (test - low) / (high - low)
normal = train[train_label == 1]
print(f"{source}: {len(normal)} normal beats to learn from, {len(test)} of both kinds to judge")

# %%
# Trained on normal beats
# -----------------------
# The threshold of the tutorials is the mean + 1 standard deviation of the training errors, which
# takes a good share of the normal beats for abnormal ones. Precision and recall are those of the
# normal beats, as in the tutorials.


def judge(name, detector):
    found = detector.predict(test)
    print(
        f"{name:<31} accuracy {accuracy_score(test_label, found):.3f}"
        f"  precision {precision_score(test_label, found):.3f}"
        f"  recall {recall_score(test_label, found):.3f}"
    )
    print(f"  false alarms: {np.mean(found[test_label == 1] == -1):.1%} of the normal beats")


of_tutorials = {"scale": False, "n_std": 1.0, "optimizer": "adam", "loss": "mae"}
detector = ReconstructionOutlierDetector(
    hidden_layer_sizes=(32, 16), epochs=20, batch_size=512, random_state=0, **of_tutorials
).fit(normal)
judge("mean + 1 std", detector)
print(f"ROC AUC {roc_auc_score(test_label, detector.score_samples(test)):.3f}")

# %%
# A wider code, a longer training, a better threshold
# ---------------------------------------------------
# The labels of the training beats choose the threshold: the abnormal ones, which training left
# out, count as well.
better = ReconstructionOutlierDetector(
    hidden_layer_sizes=(64,),
    latent_dim=16,
    epochs=100,
    batch_size=64,
    random_state=0,
    **of_tutorials,
).fit(normal)
judge("longer, mean + 1 std", better)
better.recalibrate(train, train_label)
judge("longer, by training labels", better)
print(f"ROC AUC {roc_auc_score(test_label, better.score_samples(test)):.3f}")

# %%
# What the threshold trades
# -------------------------
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
names = {1: "normal beat", -1: "abnormal beat"}
ErrorHistogramDisplay.from_estimator(better, test, test_label, class_names=names, ax=axes[0])
axes[0].set_title(f"Errors of {len(test)} unseen beats")
ThresholdCurveDisplay.from_estimator(better, test, test_label, ax=axes[1])
axes[1].set_title("Abnormal beats found, by threshold")

# %%
# Where a beat goes wrong
# -----------------------
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
errors = better.reconstruction_error(test)
for ax, (kind, name) in zip(axes, names.items(), strict=True):
    among = np.flatnonzero(test_label == kind)
    typical = among[np.argsort(errors[among])[len(among) // 2]]
    display = SignalReconstructionDisplay.from_estimator(better, test, row=typical, ax=ax)
    ax.set(title=f"Typical {name}: {ax.get_title()}", ylabel="signal, scaled to [0, 1]")
plt.show()
# sphinx_gallery_thumbnail_number = 2
