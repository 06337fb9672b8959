"""Systems on images: dense, denoiser, stacked, variational, convolutional with up-sampling."""

from __future__ import annotations

from joblib import Parallel, delayed

from skae import AutoencoderTransformer, DenoisingRegressor, VariationalAutoencoder

from . import data, plain_keras
from .plain_keras import fitted, mean_squared, rounded_accuracy
from .report import Row, Watch, median_of


def dense(seeds=(0, 1, 2), epochs=10, engine="auto", keras_too=True):
    """Yield the figures of 784-64-784 on Fashion-MNIST."""
    train, _, test = data.fashion_mnist()
    for code in ("relu", "linear"):
        watch, errors, keras_error = Watch(), [], ""
        for seed in seeds:
            coder = AutoencoderTransformer(
                latent_dim=64,
                hidden_layer_sizes=(),
                output_activation="sigmoid",
                model__latent_activation=code,
                optimizer="adam",
                epochs=epochs,
                batch_size=32,
                engine=engine,
                random_state=seed,
            )
            with watch.measure("skae"):
                coder.fit(train)
            codes = coder.transform(test)
            again = coder.inverse_transform(codes)
            assert (codes.shape, again.shape) == ((len(test), 64), test.shape)
            errors.append(mean_squared(test, again))
        if keras_too and code == "relu":
            with watch.measure("Keras"):
                network, _ = fitted(
                    plain_keras.dense, train, seed=0, epochs=epochs, optimizer="adam", loss="mse"
                )
            keras_error = f"{mean_squared(test, network.predict(test, verbose=0)):.4f}"
        name = f"test mse, {code} code" + (", the published" if code == "relu" else ", skae's own")
        yield Row("dense", name, "0.0088-0.0090", median_of(errors), keras_error, str(watch))


def denoiser(seeds=(0, 1, 2), epochs=10, engine="auto", keras_too=True):
    """Yield the figures of the convolutional denoiser on Fashion-MNIST."""
    train, _, test = data.fashion_mnist()
    noisy, noisy_test = data.with_noise(train, 0), data.with_noise(test, 1)
    unchanged = mean_squared(test, noisy_test)
    yield Row("denoiser", "mse of the noisy images", "0.0255", _four(unchanged))

    def make(seed, **noise):
        return DenoisingRegressor(
            "conv",
            latent_dim=None,
            hidden_layer_sizes=(16, 8),
            output_activation="sigmoid",
            optimizer="adam",
            epochs=epochs,
            batch_size=32,
            engine=engine,
            random_state=seed,
            **noise,
        )

    noise = {"noise__stddev": 0.2, "noise__clip": (0.0, 1.0)}
    tasks = [delayed(make(seed).fit)(noisy, train) for seed in seeds]
    tasks += [delayed(make(seed, **noise).fit)(train) for seed in seeds]
    watch, keras_error = Watch(), ""
    with watch.measure("skae"):
        # The kernels of small convolutions hardly use a second core: two fits at once, each on a
        # core of its own, take 0.7 of the time that they take in turn.
        models = Parallel(n_jobs=2, max_nbytes=None)(tasks)
    counts = f"{models[0].encoder_.count_params()} and {models[0].decoder_.count_params()}"
    yield Row("denoiser", "parameters, encoder and decoder", "1320 and 1897", counts)
    if keras_too:
        with watch.measure("Keras"):
            network, _ = fitted(
                plain_keras.denoiser,
                noisy[..., None],
                train[..., None],
                seed=0,
                epochs=epochs,
                optimizer="adam",
                loss="mse",
            )
        keras_error = _four(mean_squared(test, network.predict(noisy_test, verbose=0)))
    errors = [mean_squared(test, model.predict(noisy_test)) for model in models]
    pairs, fresh = errors[: len(seeds)], errors[len(seeds) :]
    figure = "test mse, pairs given"
    yield Row("denoiser", figure, "0.0070-0.0080", median_of(pairs), keras_error, str(watch))
    yield Row("denoiser", "test mse, fresh noise", "", median_of(fresh))


def stacked(seed=0, epochs=20, engine="auto", keras_too=True):
    """Yield the figures of 784-100-30-100-784 on Fashion-MNIST."""
    train, valid, _ = data.fashion_mnist(55_000)
    watch = Watch()
    coder = AutoencoderTransformer(
        latent_dim=30,
        hidden_layer_sizes=(100,),
        activation="selu",
        model__latent_activation="selu",
        output_activation="sigmoid",
        loss="binary_crossentropy",
        optimizer="sgd",
        optimizer__learning_rate=1.5,
        metrics=[rounded_accuracy],
        epochs=epochs,
        batch_size=32,
        engine=engine,
        random_state=seed,
    )
    with watch.measure("skae"):
        coder.fit(train, X_val=valid)
    loss, accuracy = coder.history_["val_loss"][-1], coder.history_["val_rounded_accuracy"][-1]
    keras_loss = keras_accuracy = ""
    if keras_too:
        from keras.optimizers import SGD

        with watch.measure("Keras"):
            network, history = fitted(
                plain_keras.stacked,
                train,
                seed=seed,
                epochs=epochs,
                optimizer=SGD(1.5),
                loss="binary_crossentropy",
                validation_data=(valid, valid),
            )
        keras_loss = _four(history["val_loss"][-1])
        prediction = network.predict(valid, verbose=0)
        keras_accuracy = _four(float(rounded_accuracy(valid, prediction)))
    yield Row("stacked", "validation loss", "0.284", _four(loss), keras_loss, str(watch))
    yield Row("stacked", "rounded accuracy", "0.93", _four(accuracy), keras_accuracy)


def variational(seeds=(0, 1, 2), epochs=25, engine="auto", keras_too=True):
    """Yield the figures of the variational autoencoder on Fashion-MNIST."""
    train, valid, _ = data.fashion_mnist(55_000)
    watch, drawn, at_mean, keras_loss = Watch(), [], [], ""
    for seed in seeds:
        vae = VariationalAutoencoder(
            latent_dim=10,
            hidden_layer_sizes=(150, 100),
            activation="selu",
            output_activation="sigmoid",
            loss="binary_crossentropy",
            optimizer="rmsprop",
            batch_size=128,
            epochs=epochs,
            engine=engine,
            random_state=seed,
        )
        with watch.measure("skae"):
            vae.fit(train, X_val=valid)
        drawn.append(-vae.elbo(valid, random_state=0).mean() / 784)
        at_mean.append(vae.history_["val_loss"][-1])
    if keras_too:
        with watch.measure("Keras"):
            _, history = fitted(
                plain_keras.variational,
                train,
                seed=0,
                epochs=epochs,
                batch_size=128,
                optimizer="rmsprop",
                loss="binary_crossentropy",
                validation_data=(valid, valid),
            )
        keras_loss = _four(history["val_loss"][-1])
    figure = "validation loss, codes drawn"
    yield Row("variational", figure, "0.318", median_of(drawn), keras_loss, str(watch))
    yield Row("variational", "validation loss, posterior mean", "", median_of(at_mean))
    kl = vae.kl_divergence(valid).mean()
    yield Row("variational", "KL of a code, in nats", "", f"{kl:.2f}")
    yield Row("variational", "shape of sample(12)", "", str(vae.sample(12, random_state=0).shape))


def upsampling(seed=0, epochs=3, engine="auto", keras_too=True):
    """Yield the figures of the convolutional autoencoder with up-sampling on MNIST."""
    train, valid, test = data.mnist()
    # A code of two numbers is there for its map, and has no figure to stand beside.
    wanted = {10: ("0.0227", 3e-4, epochs), 2: ("", 1e-3, 1)}
    for latent_dim, (published, rate, n_epochs) in wanted.items():
        watch, keras_error = Watch(), ""
        coder = AutoencoderTransformer(
            "conv",
            latent_dim,
            hidden_layer_sizes=(8, 8, 8, 8),
            model__strides=(1, 2, 2, 1),
            model__upsampling=True,
            model__decoder_sizes=(64, 32),
            output_activation="sigmoid",
            optimizer="rmsprop",
            optimizer__learning_rate=rate,
            batch_size=64,
            epochs=n_epochs,
            early_stopping=True,
            engine=engine,
            random_state=seed,
        )
        with watch.measure("skae"):
            coder.fit(train, X_val=valid)
        if keras_too and latent_dim == 10:
            from keras.optimizers import RMSprop

            with watch.measure("Keras"):
                network, _ = fitted(
                    plain_keras.upsampling,
                    train[..., None],
                    seed=seed,
                    epochs=n_epochs,
                    batch_size=64,
                    optimizer=RMSprop(rate),
                    loss="mse",
                )
            keras_error = _four(mean_squared(test, network.predict(test[..., None], verbose=0)))
        error = mean_squared(test, coder.reconstruct(test))
        name = f"test mse, epochs: {n_epochs}, z = {latent_dim}"
        yield Row("up-sampling", name, published, _four(error), keras_error, str(watch))


def _four(value: float) -> str:
    return f"{value:.4f}"
