"""The public API is pinned: a change of it is a decision, written down in public_api.txt.

After a change that is meant, run ``python -m tests.conventions.test_public_api`` and note it in
CHANGELOG.md.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import skae
from tests.conventions._public import estimators, public_methods, public_objects, signature_of

PINNED = Path(__file__).with_name("public_api.txt")
EVERY = {
    "model": "dense",
    "latent_dim": "auto",
    "hidden_layer_sizes": (64,),
    "activation": "relu",
    "output_activation": None,
    "input_shape": None,
    "scale": "auto",
    "noise": None,
    "optimizer": "auto",
    "loss": "mse",
    "metrics": None,
    "epochs": "auto",
    "batch_size": 256,
    "shuffle": True,
    "validation_split": 0.0,
    "early_stopping": False,
    "patience": 10,
    "callbacks": None,
    "warm_start": False,
    "verbose": 0,
    "random_state": None,
    "engine": "auto",
    "jit_compile": "auto",
}
OWN = {
    "AutoencoderTransformer": {},
    "VariationalAutoencoder": {
        "model": "variational",
        "beta": 1.0,
        "capacity": None,
        "kl_warmup_epochs": 0,
    },
    "DenoisingRegressor": {"noise": "gaussian"},
    "ReconstructionOutlierDetector": {
        "anomaly_score": "auto",
        "error": "auto",
        "threshold": "std",
        "n_std": 2.0,
        "contamination": "auto",
        "calibration": "auto",
    },
}
SHARED_METHODS = {"fit", "get_params", "partial_fit", "score", "set_params"}
TRANSFORMER = {
    "fit_transform",
    "get_feature_names_out",
    "inverse_transform",
    "reconstruct",
    "reconstruction_error",
    "set_output",
    "transform",
}
METHODS = {
    "AutoencoderTransformer": TRANSFORMER,
    "VariationalAutoencoder": {*TRANSFORMER, "sample"},
    "DenoisingRegressor": {"predict"},
    "ReconstructionOutlierDetector": {
        "decision_function",
        "explain",
        "feature_errors",
        "fit_predict",
        "predict",
        "recalibrate",
        "reconstruct",
        "reconstruction_error",
        "score_samples",
    },
}
NEVER = {"current_epoch", "feature_encoder", "initialize", "initialized_", "scorer"}
NEVER |= {"sk_params", "target_encoder", "target_type"}
FORBIDDEN = {
    "AutoencoderTransformer": NEVER | {"predict", "decision_function", "classes_"},
    "VariationalAutoencoder": NEVER | {"predict", "decision_function", "classes_"},
    "DenoisingRegressor": NEVER | {"transform", "decision_function", "classes_"},
    "ReconstructionOutlierDetector": NEVER | {"transform", "inverse_transform"},
}
ROUTED = inspect.Parameter.VAR_KEYWORD
EACH = pytest.mark.parametrize("estimator", estimators(), ids=lambda cls: cls.__name__)


def plain(default):
    return "<object>" if " at 0x" in repr(default) else repr(default)


def line_of(name, item):
    if inspect.isclass(item) and issubclass(item, BaseException):
        return f"{name}({', '.join(base.__name__ for base in item.__bases__)})"
    shown = []
    for key, parameter in signature_of(item).items():
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(
            parameter.kind, "~" if parameter.kind is parameter.KEYWORD_ONLY else ""
        )
        has_default = parameter.default is not parameter.empty
        shown.append(prefix + key + (f"={plain(parameter.default)}" if has_default else ""))
    return f"{name}({', '.join(shown)})"


def api():
    """Return one line for every public class, function and method; ``~`` marks keyword-only."""
    items = {**public_objects(), **public_methods()}
    return sorted(line_of(name, item) for name, item in items.items())


def test_nothing_public_has_changed():
    pinned = PINNED.read_text(encoding="utf-8").splitlines()
    now = api()
    gone, new = sorted(set(pinned) - set(now)), sorted(set(now) - set(pinned))
    assert not gone + new, f"gone: {gone}; new: {new}; {__doc__}"


def test_the_four_estimators():
    assert set(skae.__all__) == {*METHODS, "__version__", "trusted_types"}


@EACH
def test_parameters_have_one_name_and_one_default_everywhere(estimator):
    parameters = signature_of(estimator)
    expected = {**EVERY, **OWN[estimator.__name__]}
    defaults = {name: p.default for name, p in parameters.items() if p.kind is not ROUTED}
    assert defaults == expected


@EACH
def test_parameters_are_keyword_only_after_the_second(estimator):
    kinds = [parameter.kind for parameter in signature_of(estimator).values()]
    assert kinds[:2] == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * 2
    assert set(kinds[2:]) - {ROUTED} == {inspect.Parameter.KEYWORD_ONLY}


@EACH
def test_methods_are_there(estimator):
    wanted = SHARED_METHODS | METHODS[estimator.__name__]
    assert {name for name in wanted if not callable(getattr(estimator, name, None))} == set()


@EACH
def test_methods_of_scikeras_do_not_leak(estimator):
    instance = estimator()
    assert {name for name in FORBIDDEN[estimator.__name__] if hasattr(instance, name)} == set()


if __name__ == "__main__":
    PINNED.write_text("\n".join(api()) + "\n", encoding="utf-8")
