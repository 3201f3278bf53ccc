// The metrics: what GET /metrics says as JSON, in words.
import { ask, byId, connect, count, drift, facts, lineage, log, number, percent } from "./common.js";

const seconds = (value) => (value === null ? "not known" : `up to ${number(1000 * value)} ms`);
const each = (found) => Object.entries(found).filter(([, value]) => value > 0).map(([name, value]) => [name, count(value)]);

connect(async () => {
  const found = await ask("/metrics");
  const { counters, latency_seconds: latency, last_hour: hour, feedback: known } = found;
  facts(byId("answers"), [...each(counters.predictions), ["of a hundred requests, 50 took", seconds(latency.p50)],
    ["95 took", seconds(latency.p95)], ["99 took", seconds(latency.p99)]]);
  facts(byId("hour"), [["answers", count(hour.answers)], ["fraud", count(hour.frauds)], ["share", percent(hour.fraud_rate)]]);
  const errors = each(counters.errors);
  facts(byId("errors"), errors.length ? errors : [["all", "none so far"]]);
  facts(byId("feedback"), [...each(counters.feedback), ["contradicted", count(known.disputed)], ["accuracy", percent(known.accuracy)], ["precision", percent(known.precision)], ["recall", percent(known.recall)],
    ["fraud, said so", count(known.true_positives)], ["fraud, missed", count(known.false_negatives)],
    ["legitimate, said so", count(known.true_negatives)], ["legitimate, alarmed", count(known.false_positives)]]);
  drift(byId("drift-sentence"), byId("drift"), found.drift);
  facts(byId("lineage"), lineage(found));
  facts(byId("log"), log(found.log));
});
