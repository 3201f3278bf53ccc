"""FastAPI, uvicorn, pydantic and scikit-learn's predict_proba."""

import os

import joblib
from fastapi import FastAPI
from pydantic import create_model

model = joblib.load(os.environ["FOREST"])
names = os.environ["FEATURES"].split(",")
Payment = create_model("Payment", **dict.fromkeys(names, (float, ...)))
app = FastAPI()


@app.post("/predict")
def predict(payment: Payment) -> dict[str, float | bool]:
    """Answer with the forest's vote for one payment."""
    vote = float(model.predict_proba([[getattr(payment, name) for name in names]])[0, 1])
    return {"fraud_probability": vote, "is_fraud": vote >= 0.5}
