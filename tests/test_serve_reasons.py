"""Reasons say what each feature adds, and for a linear model they add up."""

import numpy as np
import pytest

from fraud.features import Matrix, Values
from fraud.scoring import Model
from fraud.usual import ordinary
from serve.problems import Refusal
from serve.reasons import MOST_ROWS, reasons
from servers import example


def log_odds(model: Model, features: Matrix) -> Values:
    probabilities = model.probabilities(features)
    return np.log(probabilities / (1 - probabilities))


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
def test_the_reasons_of_a_linear_model_add_up_to_the_whole_way_from_an_ordinary_payment(dataset: str) -> None:
    served = example(dataset, "logistic_regression")
    model = Model(served.content)
    rows = served.features[:20]
    usual = ordinary(model.contract)
    whole = log_odds(model, rows) - log_odds(model, usual[None])
    added = [sum(reason.log_odds for reason in found) for found in reasons(model, rows, len(usual))]
    # Far out the calibration's small margin bends the line in the fifth digit.
    np.testing.assert_allclose(added, whole, rtol=1e-4, atol=1e-6)


def test_values_are_told_as_the_caller_sent_them() -> None:
    served = example("payments")
    model = Model(served.content)
    names = list(served.schema.features)
    (found,) = reasons(model, served.features[:1], len(names))
    told = {reason.feature: reason.value for reason in found}
    assert told == served.payments()[0]


def test_explanations_of_too_many_rows_are_refused() -> None:
    served = example()
    with pytest.raises(Refusal, match="takes 500 at most"):
        reasons(Model(served.content), np.repeat(served.features[:1], MOST_ROWS + 1, axis=0), 3)
