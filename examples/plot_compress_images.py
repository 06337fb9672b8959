"""
How much of an image survives in a few numbers?
===============================================

An autoencoder squeezes every image into a short code and brings it back; what is lost is the price
of the compression. It is compared with PCA, which can only project.

Reads Fashion-MNIST in full where it is in ``SKAE_DATA`` or the cache, and the digits inside
scikit-learn otherwise.
"""

# %%
# The images
# ----------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.datasets import fetch_fashion_mnist
from skae.inspection import LossCurveDisplay, ReconstructionDisplay

try:
    train, test = (
        fetch_fashion_mnist(subset=part, download_if_missing=False).images.astype("float32") / 255
        for part in ("train", "test")
    )
    sizes, epochs, source = (4, 16, 64), 10, "Fashion-MNIST"
except OSError:
    digits = load_digits().images.astype("float32") / 16
    train, test = train_test_split(digits, test_size=0.25, random_state=0)
    sizes, epochs, source = (2, 8, 24), 100, "digits"
print(f"{source}: {len(train)} images to learn from, {len(test)} to judge, {train[0].size} pixels")

# %%
# One code size after another
# ---------------------------
# ``transform`` gives codes, ``inverse_transform`` brings them back in the shape of the images.


def mean_squared(truth, again):
    return float(np.mean((truth.ravel() - again.ravel()) ** 2))


flat, flat_test = train.reshape(len(train), -1), test.reshape(len(test), -1)
coders, errors, pca_errors = {}, [], []
for size in sizes:
    coder = AutoencoderTransformer(
        latent_dim=size,
        hidden_layer_sizes=(128,),
        output_activation="sigmoid",
        optimizer="adam",
        epochs=epochs,
        batch_size=32,
        random_state=0,
    ).fit(train, X_val=test)
    coders[size] = coder
    errors.append(mean_squared(test, coder.inverse_transform(coder.transform(test))))
    pca = PCA(size, random_state=0).fit(flat)
    pca_errors.append(mean_squared(test, pca.inverse_transform(pca.transform(flat_test))))
    print(f"code of {size:>2} numbers: mse {errors[-1]:.4f}, PCA {pca_errors[-1]:.4f}")

# %%
# The shorter the code, the more the network is ahead: it can bend.
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
axes[0].plot(sizes, errors, "o-", label="autoencoder")
axes[0].plot(sizes, pca_errors, "s--", label="PCA")
axes[0].set(xlabel="numbers in the code", ylabel="mse of unseen images", xticks=sizes)
axes[0].set_title(f"What is lost ({source})")
axes[0].legend()
LossCurveDisplay.from_estimator(coders[sizes[1]], ax=axes[1])
axes[1].set_title(f"Training with a code of {sizes[1]} numbers")

# %%
# What is left of an image
# ------------------------
display = ReconstructionDisplay(
    [test[:10], *(coders[size].reconstruct(test[:10]) for size in sizes)],
    row_labels=["original", *(f"from {size} numbers" for size in sizes)],
).plot()
plt.show()
# sphinx_gallery_thumbnail_number = 2
