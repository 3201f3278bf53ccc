// The description of the API as a page, made from /openapi.json.
import { ask, byId, code, element, told } from "./common.js";

told(byId("problem"), async () => {
  const found = await ask("/openapi.json");
  const operations = Object.entries(found.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })));
  byId("title").textContent = found.info.title;
  byId("operations").replaceChildren(...operations.map((operation) => section(operation, found.components)),
    payment(found.components.schemas.Payment));
});

const resolved = (one, components) => (one.$ref ? one.$ref.split("/").slice(2).reduce((place, name) => place[name], components) : one);
const who = (operation) => (!operation.security.length ? "Open to all." : operation.security[0].bearer.length ? "Takes an admin token." : "Takes a token.");

function section(operation, components) {
  const statuses = Object.entries(operation.responses).map(([status, one]) => [status, resolved(one, components).description]);
  const inputs = (operation.parameters ?? []).map((one) => [one.name, `${kind(one.schema)}. ${one.description}`]);
  return element("section", { className: "whole", id: operation.operationId },
    element("h2", {}, element("span", { className: "method" }, operation.method), " ", operation.path),
    element("p", {}, operation.summary, " ", who(operation)),
    ...(inputs.length ? [element("h3", {}, "Parameters"), table(inputs)] : []),
    element("h3", {}, "Example"), ...examples(operation),
    element("details", {}, element("summary", {}, "Statuses"), table(statuses)));
}

function examples(operation) {
  const content = operation.requestBody?.content["application/json"];
  const bodies = Object.values(content?.examples ?? { none: { value: undefined } });
  return bodies.slice(0, 1).map(({ value }) => element("pre", {}, curl(operation, value)));
}

function curl(operation, body) {
  const token = operation.security.length ? ` \\\n  -H "Authorization: Bearer $${operation.security[0].bearer.length ? "ADMIN" : "API"}_TOKEN"` : "";
  const data = body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  const method = operation.method === "POST" && body === undefined ? " -X POST" : "";
  const path = operation.path.replace("{name}", "style.css");
  return `curl${method} ${location.origin}${path}${token}${data}`;
}

function payment(schema) {
  const rows = Object.entries(schema.properties).map(([name, one]) =>
    [name, `${kind(one)}${schema.required.includes(name) ? "" : "; may be missing"}${one.description ? `. ${one.description}` : ""}`]);
  return element("section", { className: "whole", id: "payment" }, element("h2", {}, "A payment"), table(rows));
}

function kind(schema) {
  if (schema.enum) return schema.enum.map((one) => String(one)).join(", ");
  const words = [[schema.type].flat().join(" or ")];
  if (schema.minimum !== undefined) words.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) words.push(`to ${schema.maximum}`);
  if (schema.default !== undefined) words.push(`(${schema.default} if not given)`);
  return words.join(" ");
}

const table = (rows) => element("table", {}, element("tbody", {},
  ...rows.map(([name, text]) => element("tr", {}, element("th", { scope: "row" }, code(name)), element("td", {}, text)))));
