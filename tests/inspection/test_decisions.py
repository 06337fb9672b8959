"""The table of decisions."""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import ReconstructionOutlierDetector
from skae.inspection import decision_table, explain


def test_the_table_says_what_the_estimator_says(frame):
    detector = ReconstructionOutlierDetector(
        latent_dim=2, epochs=20, calibration=2, contamination=0.1, random_state=0
    )
    pipe = make_pipeline(StandardScaler(), detector).fit(frame)
    table = decision_table(pipe, frame, n_features=2)
    assert table.index.equals(frame.index)
    np.testing.assert_array_equal(table["label"], pipe.predict(frame))
    np.testing.assert_array_equal(table["score"], -pipe.score_samples(frame))
    np.testing.assert_array_equal(table["label"] == -1, table["score"] > table["threshold"])
    scaled = pipe[:-1].transform(frame)
    np.testing.assert_array_equal(table["p_value"], pipe[-1].p_values(scaled))
    lines = explain(pipe, frame, n_features=2)
    for label, group in lines.groupby("row"):
        assert table.loc[label, "top_features"] == ", ".join(group["feature"])
    assert (table.loc[table["label"] == 1, "top_features"] == "").all()


def test_without_p_values_the_column_is_missing_values(detector, frame):
    table = decision_table(detector, frame)
    assert table["p_value"].isna().all()
    assert len(table) == len(frame)
