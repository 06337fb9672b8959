"""
What does a map of thousands of images look like?
=================================================

A stack of layers compresses images to thirty numbers; t-SNE lays these out in the plane. Images of
one kind come to lie together, although no label was ever seen.

Reads Fashion-MNIST in full where it is in ``SKAE_DATA`` or the cache, and the digits inside
scikit-learn otherwise.
"""

# %%
# The images
# ----------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer
from skae.datasets import fetch_fashion_mnist
from skae.inspection import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay

try:
    data = fetch_fashion_mnist(subset="train", download_if_missing=False)
    images, kind = data.images.astype("float32") / 255, np.array(data.target_names)[data.target]
    train, valid, train_kind, valid_kind = (
        images[:55000],
        images[55000:],
        kind[:55000],
        kind[55000:],
    )
    rate, epochs, source = 1.5, 20, "Fashion-MNIST"
except OSError:
    digits = load_digits()
    train, valid, train_kind, valid_kind = train_test_split(
        digits.images.astype("float32") / 16, digits.target, test_size=0.4, random_state=0
    )
    rate, epochs, source = 1.0, 100, "digits"
print(f"{source}: {len(train)} images to learn from, {len(valid)} for the map")

# %%
# A stack with SELU
# -----------------
# The decoder mirrors the encoder. A metric of one's own is a function, as in Keras: the share of
# pixels that are right after rounding.


def rounded_accuracy(truth, prediction):
    from keras import ops

    same = ops.equal(ops.round(truth), ops.round(prediction))
    return ops.mean(ops.cast(same, "float32"), axis=-1)


coder = AutoencoderTransformer(
    latent_dim=30,
    hidden_layer_sizes=(100,),
    activation="selu",
    model__latent_activation="selu",
    output_activation="sigmoid",
    loss="binary_crossentropy",
    optimizer="sgd",
    optimizer__learning_rate=rate,
    metrics=[rounded_accuracy],
    epochs=epochs,
    batch_size=32,
    random_state=0,
).fit(train, X_val=valid)
for name in ("val_loss", "val_rounded_accuracy"):
    print(f"{name}: {coder.history_[name][-1]:.4f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
LossCurveDisplay.from_estimator(coder, ax=axes[0])
LossCurveDisplay.from_estimator(coder, metric="rounded_accuracy", ax=axes[1])

# %%
ReconstructionDisplay.from_estimator(coder, valid)

# %%
# The map
# -------
# Codes that lie near each other are of one kind: a vote of the nearest neighbours, which is shown
# labels for the first time, tells the kinds apart.
few = slice(0, 2000)
codes = coder.transform(valid[few])
vote = KNeighborsClassifier(5).fit(coder.transform(train), train_kind)
share = vote.score(codes, valid_kind[few])
print(f"nearest neighbours among the codes: {share:.3f} of unseen images right")
flat = TSNE(random_state=0, init="pca").fit_transform(codes)
figure, ax = plt.subplots(figsize=(8.5, 6), layout="constrained")
display = LatentSpaceDisplay.from_predictions(flat, valid_kind[few], ax=ax)
ax.set(title=f"{source}: codes of 30 numbers, laid out by t-SNE", xlabel="", ylabel="")
ax.set(xticks=[], yticks=[])
plt.show()
# sphinx_gallery_thumbnail_number = 3
