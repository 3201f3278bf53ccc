"""What callers get, where no type of the server says it: schemas by route."""

from serve.openapi.words import COUNT, MD5, NUMBER, TRUTH, UNKNOWN_NUMBER, WORDS, many, record, ref

LINEAGE = {
    "model": MD5,
    "git_rev": {"type": ["string", "null"]},
    "dataset": WORDS,
    "training_md5": MD5,
    "since": {"type": "string", "format": "date-time"},
}
LOG = record(state=WORDS, pending=COUNT)
QUALITY = dict.fromkeys(("accuracy", "precision", "recall"), UNKNOWN_NUMBER)
OUTCOMES = dict.fromkeys(("true_positives", "false_positives", "true_negatives", "false_negatives"), COUNT)
DRIFT = record(
    scores={"type": "object", "additionalProperties": NUMBER}, detected=TRUTH, fired=many(many(WORDS)), sentence=WORDS
)
SUMMARY = record(
    **LINEAGE,
    counters={"type": "object"},
    latency_seconds=record(**dict.fromkeys(("p50", "p95", "p99"), UNKNOWN_NUMBER)),
    last_hour=record(answers=COUNT, frauds=COUNT, fraud_rate=UNKNOWN_NUMBER),
    feedback=record(**OUTCOMES, **QUALITY, disputed=COUNT),
    drift={"anyOf": [DRIFT, {"type": "null"}]},
    log=LOG,
)
MODEL = record(
    **LINEAGE,
    threshold=NUMBER,
    threshold_of_the_contract=NUMBER,
    features=many(WORDS),
    schema=ref("Schema"),
    contract=ref("Contract"),
    reports={"type": "object", "description": "What the reports of its training say, where they are at hand."},
)
HEALTH = record(status={"const": "alive"}, **LINEAGE, workers=many(record(pid=COUNT, model=MD5)))
READY = record(status={"enum": ["ready", "degraded", "not ready"]}, **LINEAGE, log=LOG)
RELOADED = record(status={"const": "reloaded"}, changed=TRUTH, before=MD5, **LINEAGE)
LABELLED = record(id=WORDS, actual_label=TRUTH, is_fraud=TRUTH, model=MD5)
ANSWERS = {"anyOf": [ref("Answer"), record(predictions=many(ref("Answer")), model=MD5)]}
PREDICTIONS = record(predictions=many(ref("Prediction")))
SCORED = record(predictions=many(record(id=WORDS, fraud_probability=NUMBER, is_fraud=TRUTH)))
