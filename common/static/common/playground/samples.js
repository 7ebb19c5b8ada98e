// Code samples of an unfolded operation, with the parameters and the body as they stand.

import { LANGUAGES } from "./languages.js";
import { text } from "./page.js";
import { selectedServer } from "./session.js";
import { usableToken } from "./tokens.js";
import { aboveAnswers } from "./unfolded.js";

const isMissing = (value) => value === undefined || value === null || value === "";

const tokenFor = (security, server) => {
  const isUsed = security.some((each) => Object.keys(each).length);
  const isOptional = security.some((each) => !Object.keys(each).length);
  const token = usableToken(server)?.accessToken;
  return isUsed ? (token ?? (isOptional ? null : text("your_token"))) : null;
};

// The parts of a form; files as curl writes them. Swagger UI requires texts itself, so what is missing is a file.
const partsOf = (body, required) => {
  const given = body.map((each) => each?.get?.("value") ?? each).filter((each) => !isMissing(each));
  const parts = given.entrySeq().map(([name, value]) => {
    const written = value?.toJS ? JSON.stringify(value.toJS()) : String(value);
    return [name, value instanceof File ? `@${value.name}` : written];
  });
  const missing = required.filter((name) => !given.has(name)).map((name) => [name, `@${name}.png`]);
  return [...parts.toArray(), ...missing];
};

// The shape that ./languages.js reads.
const requestOf = ({ specSelectors, oas3Selectors, fn }, path, method) => {
  const operation = specSelectors.specResolvedSubtree(["paths", path, method]).toJS();
  const server = selectedServer();
  const parameters = specSelectors.parameterValues([path, method]).toJS();
  for (const { name, in: where, required } of operation.parameters ?? []) {
    if (required && isMissing(parameters[`${where}.${name}`])) {
      parameters[`${where}.${name}`] = `{${name}}`;
    }
  }
  const body = oas3Selectors.requestBodyValue(path, method);
  const contentType = oas3Selectors.requestContentType(path, method);
  const { operationId } = operation;
  const { url, headers } = fn.buildRequest({
    spec: { openapi: "3.1.0", servers: [{ url: server }], paths: { [path]: { [method]: { ...operation, requestBody: undefined, security: [] } } } },
    operationId,
    pathName: path,
    method,
    parameters,
    server,
  });
  const request = {
    url: url.replace(/%7B(\w+)%7D/g, "{$1}"),
    method: method.toUpperCase(),
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "accept")),
    token: tokenFor(operation.security ?? specSelectors.security()?.toJS() ?? [], server),
    isText: !Object.keys(operation.responses?.["200"]?.content ?? { "application/json": {} })[0]?.includes("json"),
  };
  if (typeof body === "string" && body.trim() && contentType?.includes("json")) {
    try {
      request.json = JSON.parse(body);
      request.headers["Content-Type"] = contentType;
    } catch {
      // It is being typed.
    }
  } else if (body?.toJS) {
    request.form = partsOf(body, operation.requestBody?.content?.[contentType]?.schema?.required ?? []);
  }
  return request;
};

const sampleOf = ({ React, getSystem }) => ({ path, method }) => {
  const [isCopied, setCopied] = React.useState(false);
  const shown = React.useRef(null);
  const h = React.createElement;
  const system = getSystem();
  const language = system.layoutSelectors.whatMode("sample", "curl");
  const code = LANGUAGES[language](requestOf(system, path, method));
  const tab = (name) =>
    h(
      "button",
      {
        key: name,
        type: "button",
        "aria-pressed": name === language,
        onClick: () => system.layoutActions.changeMode("sample", name),
      },
      name,
    );
  const copy = async () => {
    if (!navigator.clipboard) {
      getSelection().selectAllChildren(shown.current); // browsers copy only from pages over TLS or of this machine
      return;
    }
    await navigator.clipboard.writeText(code);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return h(
    "section",
    { className: "sample", "aria-label": text("samples") },
    h("div", { className: "sample-head" }, h("h4", null, text("samples")), Object.keys(LANGUAGES).map(tab), h(
      "button",
      { type: "button", className: "copy", onClick: copy },
      text(isCopied ? "copied" : "copy"),
    )),
    h("pre", { tabIndex: 0 }, h("code", { ref: shown }, code)),
  );
};

export const sampling = aboveAnswers("Sample", sampleOf);
