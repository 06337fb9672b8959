"""scikit-learn's own callbacks: progress, scores by epoch, stopping."""

import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer, DenoisingRegressor
from tests.estimators._cases import ESTIMATORS, small, weights

skl_callback = pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")


class Watcher:
    """A callback of scikit-learn's that counts, and stops on request."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.epochs = 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name.startswith("epoch"):
            self.epochs += 1
        return self.stop_after is not None and self.epochs >= self.stop_after

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_callbacks_of_scikit_learn_see_epochs_and_stop(kind, table):
    watcher = Watcher()
    estimator = small(kind, epochs=4).set_callbacks(watcher)
    estimator.fit(table)
    assert watcher.epochs == 4
    stopping = Watcher(stop_after=2)
    assert small(kind, epochs=4).set_callbacks(stopping).fit(table).n_iter_ == 2
    plain = small(kind, epochs=4).fit(table)
    for one, two in zip(weights(estimator), weights(plain), strict=True):
        assert_array_equal(one, two)


def test_scores_are_monitored_by_epoch(table):
    monitor = skl_callback.ScoringMonitor(scoring="r2")
    denoiser = small(DenoisingRegressor, epochs=3, engine="auto")
    denoiser.set_callbacks(monitor).fit(table, table[:, 0])
    lines = monitor.get_logs().data
    scores = [line["r2"] for line in lines if line["task_name"].startswith("epoch")]
    assert len(scores) == 3
    assert scores[-1] == pytest.approx(denoiser.score(table, table[:, 0]), abs=1e-4)


def test_progress_bar_in_a_search(table, capsys):
    search = GridSearchCV(small(AutoencoderTransformer), {"latent_dim": [1, 2]}, cv=2)
    search.set_callbacks(skl_callback.ProgressBar()).fit(table)
    assert "GridSearchCV" in "".join(capsys.readouterr())
    assert search.best_params_["latent_dim"] in (1, 2)
