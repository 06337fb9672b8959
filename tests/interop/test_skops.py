"""Files of skops: no type in them but those that are listed."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
    thresholds,
)
from tests.estimators._cases import output, small

skops = pytest.importorskip("skops.io")

ESTIMATORS = {
    "transformer": small(AutoencoderTransformer),
    "linear": small(AutoencoderTransformer, model="linear", scale=False),
    "recurrent": small(AutoencoderTransformer, model="recurrent", input_shape=(6, 1), epochs=1),
    "denoiser": small(DenoisingRegressor, noise="gaussian"),
    "variational": small(VariationalAutoencoder),
    "detector": small(ReconstructionOutlierDetector),
    "absolute errors": small(ReconstructionOutlierDetector, loss="mae", anomaly_score="error"),
    "rule": small(ReconstructionOutlierDetector, threshold=thresholds.MADThreshold()),
    "folds": small(ReconstructionOutlierDetector, calibration=2),
    "pipeline": make_pipeline(StandardScaler(), small(ReconstructionOutlierDetector)),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_file_loads_with_the_trusted_types_and_gives_the_same(name, table, tmp_path):
    fitted = ESTIMATORS[name].fit(table)
    skops.dump(fitted, tmp_path / "file.skops")
    loaded = skops.load(tmp_path / "file.skops", trusted=skae.trusted_types())
    np.testing.assert_array_equal(output(loaded, table), output(fitted, table))
    assert skops.get_untrusted_types(file=tmp_path / "file.skops")  # the list is needed


def test_a_file_with_anything_else_is_refused(table):
    fitted = small(AutoencoderTransformer).fit(table)
    fitted.note = small
    with pytest.raises(TypeError, match=r"Untrusted types .*small"):
        skops.loads(skops.dumps(fitted), trusted=skae.trusted_types())


def test_objects_that_only_pickle_can_store_are_refused_by_name(table):
    fitted = small(ReconstructionOutlierDetector, error=lambda x, r: abs(x - r)).fit(table)
    with pytest.raises(TypeError, match="error=.* can only be pickled"):
        skops.dumps(fitted)
