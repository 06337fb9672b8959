"""
Which outlier detector suits which data?
========================================

scikit-learn's `comparison of detectors
<https://scikit-learn.org/stable/auto_examples/miscellaneous/plot_anomaly_comparison.html>`_ on
two-dimensional toy data, with :class:`~skae.ReconstructionOutlierDetector` beside them, and the
areas under the ROC curve on three real tables. All detectors have their defaults; those of
scikit-learn that depend on units get a scaler for the real tables, skae does without.
"""

# %%
# Toy data
# --------
# 15 % of the samples are outliers, drawn at random. The line is where a detector's decision
# function is zero. Two columns leave a code of one number, so that the network alone finds only
# samples off its curve; the distance to neighbors finds those beyond its ends.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_blobs,
    make_moons,
)
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import ReconstructionOutlierDetector

N_SAMPLES, FRACTION = 300, 0.15
n_outliers = int(FRACTION * N_SAMPLES)
n_normal = N_SAMPLES - n_outliers


def detectors():
    return {
        "one-class SVM": OneClassSVM(nu=FRACTION, gamma=0.1),
        "isolation forest": IsolationForest(contamination=FRACTION, random_state=0),
        "local outlier factor": LocalOutlierFactor(
            n_neighbors=35, contamination=FRACTION, novelty=True
        ),
        "skae": ReconstructionOutlierDetector(contamination=FRACTION, random_state=0),
    }


blobs = {"random_state": 0, "n_samples": n_normal, "n_features": 2}
toys = [
    make_blobs(centers=[[0, 0], [0, 0]], cluster_std=0.5, **blobs)[0],
    make_blobs(centers=[[2, 2], [-2, -2]], cluster_std=[0.5, 0.5], **blobs)[0],
    make_blobs(centers=[[2, 2], [-2, -2]], cluster_std=[1.5, 0.3], **blobs)[0],
    4.0 * (make_moons(n_samples=n_normal, noise=0.05, random_state=0)[0] - [0.5, 0.25]),
    14.0 * (np.random.default_rng(0).uniform(size=(n_normal, 2)) - 0.5),
]
axis = np.linspace(-7, 7, 100)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
rng = np.random.default_rng(42)
figure, axes = plt.subplots(
    len(toys), 4, figsize=(9, 11), layout="constrained", sharex=True, sharey=True
)
for row, toy in zip(axes, toys, strict=True):
    X = np.concatenate([toy, rng.uniform(-6, 6, size=(n_outliers, 2))])
    for ax, (name, detector) in zip(row, detectors().items(), strict=True):
        is_normal = detector.fit(X).predict(X) == 1
        decision = detector.decision_function(grid).reshape(100, 100)
        ax.contour(axis, axis, decision, levels=[0], colors="black")
        ax.scatter(*X.T, s=8, c=np.where(is_normal, "tab:blue", "tab:orange"))
        ax.set(xlim=(-7, 7), ylim=(-7, 7), xticks=(), yticks=())
        if row is axes[0]:
            ax.set_title(name)
plt.show()

# %%
# Three real tables
# -----------------
# Trained on normal samples, judged on other normal samples and on samples of other classes.
real = {
    "breast cancer, benign": (load_breast_cancer(return_X_y=True), 1),
    "digits, zeros": (load_digits(return_X_y=True), 0),
    "wine, second cultivar": (load_wine(return_X_y=True), 1),
}
areas = {}
print(f"{'':24}" + "".join(f"{name:>22}" for name in detectors()))
for title, ((X, y), normal) in real.items():
    train, test = train_test_split(X[y == normal], test_size=0.4, random_state=0)
    samples = np.concatenate([test, X[y != normal]])
    label = np.repeat([True, False], [len(test), np.sum(y != normal)])
    fitted = [
        make_pipeline(StandardScaler(), OneClassSVM()).fit(train),
        IsolationForest(random_state=0).fit(train),
        make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)).fit(train),
        ReconstructionOutlierDetector(random_state=0).fit(train),
    ]
    areas[title] = [roc_auc_score(label, one.decision_function(samples)) for one in fitted]
    print(f"{title:24}" + "".join(f"{area:22.3f}" for area in areas[title]))

figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
places = np.arange(len(areas))
for number, name in enumerate(detectors()):
    ax.bar(places + 0.2 * number, [each[number] for each in areas.values()], 0.18, label=name)
ax.set(xticks=places + 0.3, xticklabels=list(areas), ylim=(0.5, 1.0), ylabel="area under ROC curve")
ax.legend(loc="lower right", ncols=2)
plt.show()
