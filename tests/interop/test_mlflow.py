"""MLflow on SQLite: models, tables, and the loss by epoch."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import ReconstructionOutlierDetector
from skae.inspection import decision_table
from skae.interop import autolog
from tests.estimators._cases import small

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install '.[mlflow]'")


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_experiment("skae")
    yield
    autolog(disable=True)
    while mlflow.active_run():
        mlflow.end_run()


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_is_logged_loaded_and_served_as_a_table(tracking, frame):
    pipe = make_pipeline(StandardScaler(), small(ReconstructionOutlierDetector)).fit(frame)
    trusted = skae.trusted_types()
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(pipe, name="model", skops_trusted_types=trusted)
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.predict(frame), pipe.predict(frame))
    served = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(served.predict(frame), pipe.predict(frame))

    class Decisions(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            self.model = mlflow.sklearn.load_model(context.artifacts["model"])

        def predict(self, context, model_input, params=None):
            return decision_table(self.model, model_input)

    with mlflow.start_run():
        decisions = mlflow.pyfunc.log_model(
            name="decisions", python_model=Decisions(), artifacts={"model": logged.model_uri}
        )
    table = mlflow.pyfunc.load_model(decisions.model_uri).predict(frame)
    pd.testing.assert_frame_equal(table, decision_table(pipe, frame))


@pytest.mark.filterwarnings("ignore")
def test_autolog_logs_parameters_and_the_loss_by_epoch(tracking, table):
    autolog()
    fitted = small(ReconstructionOutlierDetector, epochs=3).fit(table)
    run = mlflow.last_active_run()
    assert run.data.params["epochs"] == "3"
    assert run.data.metrics["threshold"] == fitted.threshold_
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    found = [each.value for each in sorted(history, key=lambda each: each.step)]
    assert found == fitted.history_["loss"]
    with mlflow.start_run() as parent:
        small(ReconstructionOutlierDetector, epochs=2).fit(table)
    nested = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert nested["params.epochs"].tolist() == ["2"]
    autolog(disable=True)
    small(ReconstructionOutlierDetector, epochs=1).fit(table)
    assert len(mlflow.search_runs()) == 3


@pytest.mark.filterwarnings("ignore")
def test_mlflows_own_autolog_logs_no_helper_of_a_fit(tracking, table):
    mlflow.sklearn.autolog(silent=True)
    try:
        small(ReconstructionOutlierDetector, epochs=1).fit(table)
    finally:
        mlflow.sklearn.autolog(disable=True)
    assert len(mlflow.search_runs()) == 0
