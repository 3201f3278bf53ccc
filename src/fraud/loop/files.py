"""The files that the loop reads, by the names that dvc.yaml and git give them."""

from fraud.params import FILE

LOCK, GRAPH, PARAMS = "dvc.lock", "dvc.yaml", str(FILE)
MODEL = "models/model.onnx"
RAW, SCHEMAS, INGESTED, SIMULATED = "data/raw", "data/schemas", "data/ingest", "data/simulate"
TRAIN, TEST = "data/split/train.parquet", "data/split/test.parquet"
REPORTS, CARD = "reports", "docs/model-card.md"
INGEST, SPLIT, DRIFT, METRICS, SLICES, ESTIMATE, RETRAIN = (
    f"{REPORTS}/{name}.json" for name in ("ingest", "split", "drift", "metrics", "slices", "estimate", "retrain")
)
