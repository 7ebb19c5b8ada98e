// A request as code in curl, Python and TypeScript: functions from {url, method, headers, json, form, token, isText}.
// `token` is null where none is sent; `json` and `form` are undefined where there is no body.

const indented = (code, by = "  ") => code.replaceAll("\n", `\n${by}`);

const shell = (value) => `'${value.replaceAll("'", `'\\''`)}'`;

const curl = ({ url, method, headers, json, form, token }) => {
  const parts = [`curl${method === "GET" ? "" : ` -X ${method}`} ${shell(url)}`];
  if (token !== null) {
    parts.push(`-H "Authorization: Bearer $TOKEN"`);
  }
  parts.push(...Object.entries(headers).map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`));
  if (json !== undefined) {
    parts.push(`-d ${shell(JSON.stringify(json, null, 2))}`);
  }
  for (const [name, value] of form ?? []) {
    parts.push(`-F ${shell(`${name}=${value}`)}`);
  }
  const first = token === null ? "" : `TOKEN=${shell(token)}\n`;
  return first + parts.join(" \\\n  ");
};

const pythonValue = (value, depth = "") => {
  const inner = `${depth}    `;
  if (Array.isArray(value)) {
    return value.length ? `[\n${value.map((each) => `${inner}${pythonValue(each, inner)},\n`).join("")}${depth}]` : "[]";
  }
  if (value && typeof value === "object") {
    const pairs = Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${pythonValue(each, inner)},\n`);
    return pairs.length ? `{\n${pairs.join("")}${depth}}` : "{}";
  }
  return { null: "None", true: "True", false: "False" }[String(typeof value === "string" ? "" : value)] ?? JSON.stringify(value);
};

const python = ({ url, method, headers, json, form, token, isText }) => {
  const lines = ["import requests", ""];
  if (token !== null) {
    lines.push(`token = ${JSON.stringify(token)}`);
  }
  const sent = Object.entries(headers)
    .filter(([name]) => name !== "Content-Type")
    .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (token !== null) {
    sent.unshift(`"Authorization": f"Bearer {token}"`);
  }
  lines.push(`answer = requests.${method.toLowerCase()}(`, `    ${JSON.stringify(url)},`);
  if (sent.length) {
    lines.push(`    headers={${sent.join(", ")}},`);
  }
  if (json !== undefined) {
    lines.push(`    json=${pythonValue(json, "    ")},`);
  }
  if (form) {
    const parts = form.map(([name, value]) =>
      value.startsWith("@") ? `"${name}": open(${JSON.stringify(value.slice(1))}, "rb")` : `"${name}": (None, ${JSON.stringify(value)})`,
    );
    lines.push(`    files={${parts.join(", ")}},`);
  }
  lines.push(")", `print(answer.status_code, answer.${isText ? "text" : "json()"})`);
  return lines.join("\n");
};

const typescript = ({ url, method, headers, json, form, token, isText }) => {
  const lines = token === null ? [] : [`const token = ${JSON.stringify(token)};`];
  if (form) {
    lines.push("const body = new FormData();");
    for (const [name, value] of form) {
      const part = value.startsWith("@") ? `await (await import("node:fs")).openAsBlob(${JSON.stringify(value.slice(1))})` : JSON.stringify(value);
      lines.push(`body.append("${name}", ${part});`);
    }
  }
  const settings = [];
  if (method !== "GET") {
    settings.push(`method: "${method}"`);
  }
  const sent = Object.entries(headers).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (token !== null) {
    sent.unshift("Authorization: `Bearer ${token}`");
  }
  if (sent.length) {
    settings.push(`headers: { ${sent.join(", ")} }`);
  }
  if (json !== undefined) {
    settings.push(`body: JSON.stringify(${indented(JSON.stringify(json, null, 2))})`);
  }
  if (form) {
    settings.push("body");
  }
  const given = settings.length ? `, {\n${settings.map((each) => `  ${each},\n`).join("")}}` : "";
  lines.push(`const answer = await fetch(${JSON.stringify(url)}${given});`);
  lines.push(`console.log(answer.status, await answer.${isText ? "text" : "json"}());`);
  return lines.join("\n");
};

export const LANGUAGES = { curl, Python: python, TypeScript: typescript };
