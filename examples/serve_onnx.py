# /// script
# requires-python = ">=3.11"
# dependencies = ["fastapi>=0.115", "numpy>=2.0", "onnxruntime>=1.22", "uvicorn>=0.30"]
# ///
"""Serve the ONNX file of a detector over HTTP, without TensorFlow, scikit-learn and skae.

Make the file as the user guide's page on ONNX shows, and start the service::

    uv run examples/serve_onnx.py detector.onnx --port 8000
    curl localhost:8000/score -H "Content-Type: application/json" -d '{"rows": [[0.1, 2.0]]}'
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, FiniteFloat


class Samples(BaseModel):
    """Rows of numbers, and a threshold in place of the file's."""

    rows: list[list[FiniteFloat]]
    threshold: FiniteFloat | None = None


def application(path: str) -> FastAPI:
    """Return the service of one ONNX file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    (source,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    app = FastAPI(title="Outlier detector")

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"columns": source.shape[1], "outputs": names}

    @app.post("/score")
    def score(samples: Samples) -> dict[str, list[Any]]:
        widths = {len(row) for row in samples.rows}
        if widths != {source.shape[1]}:
            wanted = f"rows must have {source.shape[1]} numbers each"
            raise HTTPException(422, f"{wanted}; got {sorted(widths)}.")
        feed = {source.name: np.array(samples.rows)}
        if samples.threshold is not None:
            feed["threshold"] = np.array(samples.threshold)
        return {k: v.tolist() for k, v in zip(names, session.run(names, feed), strict=True)}

    return app


def main() -> None:
    """Serve the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="ONNX file of a detector with one input of float64")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args()
    uvicorn.run(application(chosen.path), host=chosen.host, port=chosen.port)


if __name__ == "__main__":
    main()
