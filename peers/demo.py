"""The demos' way: Flask, gunicorn, pandas and scikit-learn's predict_proba."""

import os

import joblib
import pandas as pd
from flask import Flask, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["NAMED_FOREST"])


@app.post("/predict")
def predict():
    """Answer with the forest's vote for one payment."""
    frame = pd.DataFrame([request.get_json()])
    vote = float(model.predict_proba(frame)[0, 1])
    return jsonify({"fraud_probability": vote, "is_fraud": vote >= 0.5})
