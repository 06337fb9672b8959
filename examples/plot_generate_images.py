"""
Can an autoencoder draw new images?
===================================

A variational autoencoder keeps its codes near a standard normal distribution, so that codes drawn
from it decode to new images. Between two codes lie the images between two images, and a direction
in the latent space can carry a meaning.

Reads Fashion-MNIST in full where it is in ``SKAE_DATA`` or the cache, and the digits inside
scikit-learn otherwise.
"""

# %%
# The images
# ----------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VariationalAutoencoder
from skae.datasets import fetch_fashion_mnist
from skae.inspection import LossCurveDisplay, ReconstructionDisplay

try:
    data = fetch_fashion_mnist(subset="train", download_if_missing=False)
    images, kind = data.images.astype("float32") / 255, data.target
    names = [f"a {name}".lower() for name in data.target_names]
    first, second, beta, epochs, source = 0, 3, 1.0, 25, "Fashion-MNIST"
except OSError:
    images, kind = load_digits().images.astype("float32") / 16, load_digits().target
    names = [f"a {digit}" for digit in range(10)]
    first, second, beta, epochs, source = 0, 4, 0.2, 100, "digits"
n_valid = len(images) // 12
train, valid = images[:-n_valid], images[-n_valid:]
print(f"{source}: {len(train)} images to learn from, {len(valid)} to judge")

# %%
# Training
# --------
# The divergence of a code's distribution from the standard normal one is the information that the
# code carries, and ``beta`` its price; images of few pixels can afford little at the full price.
vae = VariationalAutoencoder(
    latent_dim=10,
    hidden_layer_sizes=(150, 100),
    activation="selu",
    output_activation="sigmoid",
    beta=beta,
    loss="binary_crossentropy",
    optimizer="rmsprop",
    batch_size=128 if len(train) > 10_000 else 32,
    epochs=epochs,
    random_state=0,
).fit(train, X_val=valid)
print(f"validation loss, codes at their means: {vae.history_['val_loss'][-1]:.4f}")
print(f"evidence lower bound, codes drawn: {vae.elbo(valid, random_state=0).mean():.1f} nats")
print(f"a code carries {vae.kl_divergence(valid).mean():.1f} nats")
display = LossCurveDisplay.from_estimator(vae)
display.ax_.set_title("Training draws codes, validation takes their means")

# %%
# Twelve new images
# -----------------
new = vae.sample(12, random_state=0)
display = ReconstructionDisplay([new[:6], new[6:]]).plot()
display.ax_.set_title(f"New images, from codes drawn at random ({source})")

# %%
# From one image to another
# -------------------------
codes = vae.transform(images)
start, end = (codes[np.flatnonzero(kind == number)[:3]] for number in (first, second))
steps = np.linspace(0, 1, 9, dtype="float32")
between = [
    vae.inverse_transform(np.stack([(1 - t) * a + t * b for t in steps]))
    for a, b in zip(start, end, strict=True)
]
display = ReconstructionDisplay(between, column_labels=[f"{t:.0%}" for t in steps]).plot()
display.ax_.set_title(f"From {names[first]} to {names[second]}: share of the second code")

# %%
# A direction with a meaning
# --------------------------
# The mean code of one kind minus that of another, added to codes of the latter.
direction = codes[kind == first].mean(axis=0) - codes[kind == second].mean(axis=0)
some = np.flatnonzero(kind == second)[:10]
display = ReconstructionDisplay(
    [images[some], vae.reconstruct(images[some]), vae.inverse_transform(codes[some] + direction)],
    row_labels=["original", "reconstruction", f"towards {names[first]}"],
).plot()
plt.show()
# sphinx_gallery_thumbnail_number = 2
