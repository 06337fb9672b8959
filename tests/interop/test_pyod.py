"""The adapter to PyOD, and packages that take PyOD's detectors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest

from skae import ReconstructionOutlierDetector
from tests.estimators._cases import small

pytest.importorskip("pyod", reason="pyod is not installed: pip install '.[pyod]'")


@pytest.fixture(scope="module")
def adapted(table):
    from skae.interop import PyODDetector

    return PyODDetector(small(ReconstructionOutlierDetector), contamination=0.2).fit(table)


def test_scores_labels_and_threshold_are_pyods(adapted, table):
    from pyod.models.base import BaseDetector

    assert isinstance(adapted, BaseDetector)
    scores = adapted.decision_function(table)
    np.testing.assert_array_equal(scores, -adapted.detector_.score_samples(table))
    np.testing.assert_array_equal(adapted.labels_, scores > adapted.threshold_)
    np.testing.assert_array_equal(adapted.predict(table), adapted.labels_)
    assert adapted.labels_.mean() == pytest.approx(0.2)
    probabilities = adapted.predict_proba(table)
    assert probabilities.shape == (len(table), 2)
    assert np.corrcoef(probabilities[:, 1], scores)[0, 1] > 0.9
    confidence = adapted.predict_confidence(table)
    assert ((confidence >= 0) & (confidence <= 1)).all()


class MeanThreshold:
    """A threshold as PyThresh has them."""

    def fit(self, scores):
        self.thresh_, self.labels_ = scores.mean(), self.eval(scores)

    def eval(self, scores):
        return (scores > scores.mean()).astype(int)


def test_a_threshold_of_pythresh_labels(table):
    from skae.interop import PyODDetector

    given = PyODDetector(IsolationForest(random_state=0), contamination=MeanThreshold()).fit(table)
    assert given.threshold_ == given.decision_scores_.mean()
    np.testing.assert_array_equal(given.labels_, given.decision_scores_ > given.threshold_)


def test_any_detector_of_scikit_learn_can_be_adapted_and_cloned(table):
    from skae.interop import PyODDetector

    forest = clone(PyODDetector(IsolationForest(random_state=0))).fit(table)
    assert forest.decision_scores_.argmax() == forest.detector_.score_samples(table).argmin()
