"""The hint at the name that was probably meant."""

from __future__ import annotations

import pytest

from skae._messages import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("latnet_dim", " Did you mean 'latent_dim'?"),
        ("LATENT_DIM", " Did you mean 'latent_dim'?"),
        ("X_Val", " Did you mean 'X_val'?"),
        ("zebra", ""),
    ],
)
def test_the_nearest_name_is_hinted_at_in_any_case(name, hint):
    assert did_you_mean(name, ["latent_dim", "X_val", "patience"]) == hint


def test_without_known_names_there_is_no_hint():
    assert did_you_mean("latent_dim", []) == ""
