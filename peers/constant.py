"""A Flask route that answers a constant, on the server, workers and threads that `python -m serve` has."""

import os

from flask import Flask, Response

app = Flask(__name__)
ANSWER = os.environ["ANSWER"].encode()


@app.post("/predict")
def predict() -> Response:
    """Answer without a look at the request."""
    return Response(ANSWER, mimetype="application/json")
