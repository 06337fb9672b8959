"""
Does a linear autoencoder find PCA's plane?
===========================================

Without activations, the best that an autoencoder can do is to project onto the plane of the first
principal components [1]_. It finds the plane, not the axes: its code is a linear map of PCA's.

.. [1] P. Baldi and K. Hornik (1989). "Neural Networks and Principal Component Analysis: Learning
   from Examples without Local Minima". Neural Networks 2(1). :doi:`10.1016/0893-6080(89)90014-2`
"""

# %%
# Sixty points near a plane in space
# ----------------------------------
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.inspection import LossCurveDisplay

rng = np.random.RandomState(4)
angle = rng.rand(60) * 3 * np.pi / 2 - 0.5
X = np.empty((60, 3))
X[:, 0] = np.cos(angle) + np.sin(angle) / 2 + 0.1 * rng.randn(60) / 2
X[:, 1] = np.sin(angle) * 0.7 + 0.1 * rng.randn(60) / 2
X[:, 2] = X[:, 0] * 0.1 + X[:, 1] * 0.3 + 0.1 * rng.randn(60)
X -= X.mean(axis=0)

# %%
# 300 epochs of gradient descent
# ------------------------------
coder = AutoencoderTransformer(
    "linear",
    latent_dim=2,
    scale=False,
    optimizer="sgd",
    optimizer__learning_rate=0.5,
    epochs=300,
    batch_size=32,
    random_state=0,
).fit(X)
pca = PCA(2).fit(X)

directions = coder.inverse_transform(np.eye(2)) - coder.inverse_transform(np.zeros((1, 2)))
between = np.rad2deg(subspace_angles(directions.T, pca.components_.T))
print(f"largest angle between the two planes: {between.max():.2f} degrees")
ours = np.mean((X - coder.reconstruct(X)) ** 2)
best = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
print(f"mse {ours:.5f}, PCA {best:.5f}, {100 * (ours / best - 1):.2f} % more")

# %%
# The points on both planes
# -------------------------
# Seen from above PCA's plane, every point's reconstruction lies where PCA puts it.
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for ax_points, marker, name in [(X, "o", "PCA"), (coder.reconstruct(X), "x", "linear autoencoder")]:
    on_plane = pca.transform(ax_points)
    axes[0].scatter(*on_plane.T, marker=marker, label=name, alpha=0.8)
axes[0].set(
    title="Projections onto the plane",
    xlabel="1st component",
    ylabel="2nd component",
    aspect="equal",
)
axes[0].legend(loc="center")
LossCurveDisplay.from_estimator(coder, ax=axes[1])
axes[1].axhline(best, color="black", linestyle="--", label="PCA's mse")
axes[1].set(yscale="log", title="Training")
axes[1].legend()
plt.show()
