// The console: score a payment, say what became of earlier ones, see drift, model and log.
import { ask, byId, code, connect, count, drift, element, facts, lineage, log, number, percent, told, track } from "./common.js";

let model = null; // What GET /model says.
let shown = ""; // The predictions on the page.

connect(async () => {
  const [summary, listed] = await Promise.all([ask("/metrics"), ask("/predictions?limit=20")]);
  if (model?.model !== summary.model) await meet();
  drift(byId("drift-sentence"), byId("drift"), summary.drift);
  facts(byId("log"), log(summary.log));
  list(listed.predictions);
});

async function meet() {
  model = await ask("/model");
  const limits = model.threshold === model.threshold_of_the_contract ? "" : `, the model's own is ${percent(model.threshold_of_the_contract)}`;
  facts(byId("lineage"), [...lineage(model), ["threshold", `${percent(model.threshold)}${limits}`], ["kind", model.contract.model],
    ["training rows", `${count(model.contract.training_rows)}, of which frauds ${count(model.contract.training_frauds)}`]]);
  reports(model.reports.metrics ?? {});
  byId("fields").replaceChildren(...model.features.map(field));
  fill(ordinary);
}

function reports(found) {
  const names = ["precision", "recall", "average_precision", "roc_auc", "brier"].filter((name) => name in found);
  byId("reports").hidden = !names.length;
  byId("reports").tBodies[0].replaceChildren(...names.map((name) => {
    const interval = found[`${name}_interval`];
    return element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")), element("td", {}, number(found[name])),
      element("td", {}, interval ? `${number(interval[0])} to ${number(interval[1])}` : ""));
  }));
}

function field(name) {
  const column = model.schema.columns[name];
  const id = `field-${model.features.indexOf(name)}`;
  const limits = [column.min != null && `from ${column.min}`, column.max != null && `to ${column.max}`, column.missing && "may be empty"];
  const title = limits.filter(Boolean).join(" ");
  const choices = [...(column.missing ? [""] : []), ...(column.categories ?? [])];
  const input = choices.length > 1
    ? element("select", { id, title }, ...choices.map((choice) => element("option", {}, choice)))
    : element("input", { id, title, inputMode: "decimal", autocomplete: "off" });
  return element("div", { className: choices.length > 1 ? "wider" : "" }, element("label", { for: id }, name), input);
}

function fill(value) {
  model.features.forEach((name, place) => {
    const column = model.schema.columns[name];
    const found = value(model.contract.profile[name], column);
    byId(`field-${place}`).value = typeof found === "number" ? String(rounded(found, column)) : found ?? "";
  });
}

function rounded(value, column) {
  const near = column.type === "integer" ? Math.round(value) : Number(value.toPrecision(4));
  return Math.min(Math.max(near, column.min ?? near), column.max ?? near);
}

/** Return where, among counted values, the share `share` of them lies below. */
function place(counts, share) {
  let left = share * counts.reduce((sum, one) => sum + one, 0);
  return Math.max(0, counts.findIndex((one) => (left -= one) <= 0));
}

function ordinary({ edges, counts }, column) {
  if (column.categories?.length) return column.categories[counts.indexOf(Math.max(...counts))];
  return edges[Math.min(place(counts, 0.5), edges.length - 1)];
}

function random({ edges, counts }, column) {
  const found = place(counts, Math.random());
  if (column.categories?.length) return column.categories[found];
  const low = edges[Math.max(0, found - 1)], high = edges[Math.min(found, edges.length - 1)];
  return edges.length ? low + Math.random() * (high - low) : undefined;
}

function payment() {
  const found = {};
  model.features.forEach((name, position) => {
    const { value } = byId(`field-${position}`), column = model.schema.columns[name];
    const numeric = !column.categories?.length && Number.isFinite(Number(value));
    found[name] = value.trim() === "" ? null : numeric ? Number(value) : value; // What is no number the server refuses, by name.
  });
  const id = byId("transaction").value;
  return id ? { ...found, transaction_id: id } : found;
}

byId("ordinary").addEventListener("click", () => fill(ordinary));
byId("random").addEventListener("click", () => fill(random));
byId("score").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await told(byId("score-problem"), () => ask("/predict?explain=5", payment()));
  byId("result").hidden = !answer;
  byId("nothing").hidden = Boolean(answer);
  if (!answer) return;
  result(answer);
  await told(byId("list-problem"), async () => list((await ask("/predictions?limit=20")).predictions));
});

function result(answer) {
  const verdict = byId("verdict");
  verdict.textContent = answer.is_fraud ? "Fraud" : "Legitimate";
  verdict.className = `verdict ${answer.is_fraud ? "alarm" : "calm"}`;
  byId("probability").replaceChildren("The probability of fraud is ",
    element("data", { value: String(answer.fraud_probability) }, percent(answer.fraud_probability)),
    `; from ${percent(answer.threshold)} on it counts as fraud.`);
  byId("scale").className = `scale ${answer.is_fraud ? "over" : ""}`;
  byId("fill").style.width = `${100 * answer.fraud_probability}%`;
  byId("mark").style.left = `${100 * answer.threshold}%`;
  const reasons = answer.reasons.filter((reason) => reason.log_odds !== 0);
  const most = Math.max(...reasons.map((reason) => Math.abs(reason.log_odds)));
  byId("reasons-title").textContent = reasons.length
    ? "What moved it most: log-odds, against the ordinary value" : "No feature alone moved it from where its ordinary value has it";
  byId("reasons").replaceChildren(...reasons.map(({ feature, value, ordinary: usual, log_odds: moved }) => element("li", {},
    element("span", {}, feature, " ", element("small", {}, `${said(value)}, ordinary ${said(usual)}`)),
    track(0.5, 0.5 + moved / most / 2, moved > 0 ? "hot" : "cool", 0.5),
    element("span", {}, `${moved > 0 ? "+" : "\u2212"}${Math.abs(moved).toFixed(2)}`))));
}

const said = (value) => (typeof value === "number" ? number(value) : value ?? "empty");

function list(predictions) {
  const text = JSON.stringify(predictions), body = byId("predictions").tBodies[0];
  if (text === shown) return;
  const focus = document.activeElement?.id;
  shown = text;
  body.replaceChildren(...predictions.map(line));
  byId("none").hidden = predictions.length > 0;
  if (focus) byId(focus)?.focus();
}

function line(one) {
  const buttons = [[true, "fraud"], [false, "legitimate"]].map(([actual, word]) => {
    const name = `${one.transaction_id ?? one.id}, ${percent(one.fraud_probability)}: it was ${word}`;
    const made = element("button", { id: `${word}-${one.id}`, type: "button", "aria-label": name, "aria-pressed": String(one.actual_label === actual) }, word);
    made.addEventListener("click", () => told(byId("list-problem"), async () => {
      await ask("/feedback", { id: one.id, actual_label: actual });
      list((await ask("/predictions?limit=20")).predictions);
    }));
    return made;
  });
  return element("tr", {},
    element("td", { className: "tight", title: one.ts }, one.ts.slice(11, 19), element("span", { className: "wide soft" }, ` ${one.ts.slice(0, 10)}`)),
    element("td", { className: "text" }, one.transaction_id ?? "", " ", element("small", { className: "wide" }, code(one.id))),
    element("td", { className: "number" }, percent(one.fraud_probability)),
    element("td", { className: "number wide" }, percent(one.threshold)),
    element("td", { className: one.is_fraud ? "alarm" : "calm" }, one.is_fraud ? "fraud" : "legitimate"),
    element("td", { className: "wide", title: one.model }, code(`${one.model.slice(0, 6)}…`)),
    element("td", { className: "tight" }, buttons[0], " ", buttons[1]));
}
