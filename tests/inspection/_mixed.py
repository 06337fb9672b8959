"""A small table of mixed columns, and a detector for it."""

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder

from skae import ReconstructionOutlierDetector

N_ROWS = 60
NUMBERS = ["amount", "weight", "age"]
WORDS = ["home_country", "home"]


def make_table():
    """Return a table whose names are prefixes of one another, and whose labels repeat."""
    rng = np.random.default_rng(0)
    amount = np.exp(rng.normal(size=N_ROWS))
    frame = pd.DataFrame(
        {
            "home": rng.choice(["a", "b", "country"], N_ROWS),
            "amount": amount,
            "home_country": rng.choice(["x", "y"], N_ROWS),
            "weight": 5e4 + 1000 * np.log(amount),
            "age": rng.normal(40, 10, N_ROWS),
        },
        index=[f"r{number // 2}" for number in range(N_ROWS)],
    )
    frame.iloc[5, 1] = 500.0
    return frame


def detector():
    """Return a detector that is fitted in no time."""
    return ReconstructionOutlierDetector(
        latent_dim=1,
        hidden_layer_sizes=(4,),
        epochs=5,
        calibration="training",
        random_state=0,
    )


def encoder(**options):
    """Return an encoder of categories."""
    return OneHotEncoder(sparse_output=False, **options)
