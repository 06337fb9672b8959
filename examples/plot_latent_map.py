"""
What lies where in a latent space of two dimensions?
====================================================

With a code of two numbers, the whole latent space fits in a picture: where the images lie in it,
and what each of its points decodes to.

Reads MNIST in full where it is in ``SKAE_DATA`` or the cache (some minutes on a CPU), and the small
digits inside scikit-learn otherwise.
"""

# %%
# The images
# ----------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.datasets import fetch_mnist
from skae.inspection import LatentGridDisplay, LatentSpaceDisplay, ReconstructionDisplay

try:
    parts = [fetch_mnist(subset=part, download_if_missing=False) for part in ("train", "test")]
    train, test = (part.images.astype("float32") / 255 for part in parts)
    test_kind, epochs, limit, source = parts[1].target, 2, 5, "MNIST"
except OSError:
    digits = load_digits()
    train, test, _, test_kind = train_test_split(
        digits.images.astype("float32") / 16, digits.target, test_size=0.4, random_state=0
    )
    epochs, limit, source = 100, 3, "digits"
print(f"{source}: {len(train)} images to learn from, {len(test)} to judge")

# %%
# Convolutions down, up-sampling back
# -----------------------------------
coder = AutoencoderTransformer(
    "conv",
    latent_dim=2,
    hidden_layer_sizes=(8, 8, 8, 8),
    model__strides=(1, 2, 2, 1),
    model__upsampling=True,
    model__decoder_sizes=(64, 32),
    output_activation="sigmoid",
    optimizer="rmsprop",
    optimizer__learning_rate=1e-3,
    batch_size=64,
    epochs=epochs,
    early_stopping=True,
    random_state=0,
).fit(train)
error = np.mean((test - coder.reconstruct(test)) ** 2)
print(f"mse of unseen images from two numbers: {error:.4f} after {coder.n_iter_} epochs")
ReconstructionDisplay.from_estimator(coder, test)

# %%
# Where the images lie
# --------------------
figure, axes = plt.subplots(1, 2, figsize=(13, 6), layout="constrained")
few = slice(0, 3000)
LatentSpaceDisplay.from_estimator(coder, test[few], test_kind[few], ax=axes[0])
LatentGridDisplay.from_estimator(coder, n_steps=10, limits=(-limit, limit), ax=axes[1])
plt.show()
# sphinx_gallery_thumbnail_number = 2
