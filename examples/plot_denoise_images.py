"""
Does a denoiser need pairs of noisy and clean images?
=====================================================

The usual recipe adds noise to the images once and trains on the pairs. ``fit(X)`` alone takes clean
images and draws fresh noise for every batch, so that no noise is seen twice.

Reads Fashion-MNIST in full where it is in ``SKAE_DATA`` or the cache, and the digits inside
scikit-learn otherwise.
"""

# %%
# Clean images, and noisy ones to judge by
# ----------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import DenoisingRegressor
from skae.datasets import fetch_fashion_mnist
from skae.inspection import ReconstructionDisplay

NOISE = 0.2

try:
    train, test = (
        fetch_fashion_mnist(subset=part, download_if_missing=False).images.astype("float32") / 255
        for part in ("train", "test")
    )
    sizes, epochs, source = (16, 8), 10, "Fashion-MNIST"
except OSError:
    digits = load_digits().images.astype("float32") / 16
    train, test = train_test_split(digits, test_size=0.25, random_state=0)
    sizes, epochs, source = (32, 16), 100, "digits"


def with_noise(images, seed):
    noise = np.random.default_rng(seed).normal(0, NOISE, images.shape)
    return np.clip(images + noise, 0, 1).astype("float32")


noisy, noisy_test = with_noise(train, 0), with_noise(test, 1)
print(f"{source}: {len(train)} images to learn from, {len(test)} to judge")

# %%
# The network
# -----------
# Two convolutions with a stride of 2, two transposed ones back, and no dense bottleneck: the code
# is the last feature map.


def make_denoiser(**noise):
    return DenoisingRegressor(
        "conv",
        latent_dim=None,
        hidden_layer_sizes=sizes,
        output_activation="sigmoid",
        optimizer="adam",
        epochs=epochs,
        batch_size=32,
        random_state=0,
        **noise,
    )


pairs = make_denoiser().fit(noisy, train)
fresh = make_denoiser(noise__stddev=NOISE, noise__clip=(0.0, 1.0)).fit(train)
print("code:", pairs.encoder_.output_shape[1:])

# %%
# How clean they come out
# -----------------------
# Clean images are enough: fresh noise serves at least as well as pairs.
for name, images in {
    "the noisy images": noisy_test,
    "trained on pairs": pairs.predict(noisy_test),
    "trained with fresh noise": fresh.predict(noisy_test),
}.items():
    print(f"{name:<26} mse {np.mean((images - test) ** 2):.4f}")

# %%
ReconstructionDisplay.from_estimator(fresh, noisy_test, test)
plt.show()
