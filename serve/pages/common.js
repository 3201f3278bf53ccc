// What the pages share: asking this server with the reader's token, and showing what it says, as text and never as markup.
const TOKEN = "token";

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Return the JSON answer; a refusal is thrown as the sentence of the server. */
export async function ask(path, body) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method: body === undefined ? "GET" : "POST", headers, cache: "no-store", body: JSON.stringify(body) };
  const answer = await fetch(path, options).catch(() => { throw new Error("the server cannot be reached"); });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok && !found.log) throw new Error(found.detail ?? `the server answered ${answer.status}`);
  return found;
}

/** Run what asks the server; what it refuses is shown in the element `place`. */
export async function told(place, run) {
  try {
    const found = await run();
    place.hidden = true;
    return found;
  } catch (problem) {
    place.textContent = problem.message;
    place.hidden = false;
  }
}

/** Call `load` when there is a token, at each change of it, and every ten seconds; `content` is shown once it worked. */
export function connect(load) {
  const input = byId("token"), problem = byId("problem"), content = byId("content");
  const again = async () => {
    const done = await told(problem, async () => (await load(), true));
    content.hidden = done ? false : content.hidden;
  };
  input.value = sessionStorage.getItem(TOKEN) ?? "";
  byId("entry").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, input.value.trim());
    content.hidden = true;
    again();
  });
  byId("forget").addEventListener("click", () => { sessionStorage.removeItem(TOKEN); location.reload(); });
  if (input.value) again();
  setInterval(() => { if (!document.hidden && !content.hidden) again(); }, 10_000);
}

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
export const number = (value) => (value === null || value === undefined ? "not known" : digits.format(value));
export const percent = (value) => (value === null || value === undefined ? "not known" : `${digits.format(100 * value)} %`);
export const count = (value) => value.toLocaleString("en");

/** Show rows of a name and a value. */
export function facts(place, rows) {
  place.replaceChildren(...rows.flatMap(([name, value]) => [
    element("dt", {}, name), element("dd", {}, value instanceof Node ? value : String(value)),
  ]));
}

export const code = (text) => element("code", {}, text ?? "not known");

/** Return a bar from one share of a track to another, with a mark on it. */
export function track(from, to, kind, mark) {
  const bar = element("div", { className: `bar ${kind}` }), at = element("div", { className: "at" });
  bar.style.left = `${100 * Math.min(from, to)}%`;
  bar.style.width = `${100 * Math.abs(to - from)}%`;
  at.style.left = `${100 * mark}%`;
  return element("div", { className: "track", "aria-hidden": "true" }, bar, at);
}

/** Show the features that lie farthest from the training rows: above 1 they fire. */
export function drift(sentence, list, found) {
  sentence.textContent = found ? found.sentence : "dvc.lock names no rule for drift";
  const scores = Object.entries(found?.scores ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 15);
  const most = Math.max(1.25, ...scores.map(([, score]) => score));
  list.replaceChildren(...scores.map(([name, score]) => element("li", {},
    element("span", {}, name), track(0, score / most, score > 1 ? "hot" : "", 1 / most), element("span", {}, score.toFixed(2)),
  )));
}

export const lineage = (found) => [
  ["data set", found.dataset], ["model", code(found.model)], ["git revision", code(found.git_rev)],
  ["trained on", code(found.training_md5)], ["since", found.since],
];

export const log = (found) => [["database", found.state], ["waiting in the spool", count(found.pending)]];
