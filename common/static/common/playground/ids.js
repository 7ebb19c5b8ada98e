// Ids of the last answers, filled into path parameters and bodies of other operations. Where there was no answer yet, a
// list is read.

import { options, withoutSlash } from "./page.js";
import { isProduction } from "./production.js";
import { onLogin, selectedServer } from "./session.js";
import { tokenOf, usableToken } from "./tokens.js";
import { aboveAnswers } from "./unfolded.js";

const learned = new Map(); // server → {name of a rule: value}
const shown = new Set(); // operations that are unfolded: {fill}
const ours = new Map(); // what examples and this module have written, so that what a person typed stays
const asked = new Set(); // rules whose lists were read already

const isId = (value) => typeof value === "string" && value !== "";

// The first object in the answer that a rule finds counts: the newest, or the one that was asked for. One's own account
// does not: what takes the id of a user is about somebody else.
const collect = (value, name, found) => {
  if (Array.isArray(value)) {
    value.forEach((each) => collect(each, name, found));
  } else if (value && typeof value === "object" && (!name || value.username !== name)) {
    for (const [rule, { keys, having }] of Object.entries(options.ids)) {
      const own = having && having in value ? (value.id ?? value._id) : undefined;
      found[rule] ??= [own, ...keys.map((key) => value[key])].find(isId);
    }
    Object.values(value).forEach((each) => collect(each, name, found));
  }
  return found;
};

const fillAll = () => shown.forEach((each) => each.fill());

export const learn = (server, data) => {
  const found = Object.entries(collect(data, tokenOf(server)?.name, {})).filter(([, value]) => value);
  learned.set(server, { ...learned.get(server), ...Object.fromEntries(found) });
  fillAll();
};

// Reads the lists of a rule, until one has what it is for. Never on Production, where nobody asked for these calls.
const ask = async (server, rule) => {
  const key = `${server} ${rule}`;
  const kept = usableToken(server);
  if (asked.has(key) || isProduction(server) || !kept) {
    return;
  }
  asked.add(key);
  for (const path of options.ids[rule].lists ?? []) {
    const headers = { Authorization: `Bearer ${kept.accessToken}` };
    const answer = await fetch(withoutSlash(server) + path, { headers }).catch(() => null);
    const value = answer?.ok && collect((await answer.json()).data, kept.name, {})[rule];
    if (value && tokenOf(server)?.accessToken === kept.accessToken) {
      learned.set(server, { [rule]: value, ...learned.get(server) }); // an answer that came meanwhile counts
      fillAll();
      return;
    }
  }
};

onLogin((server) => {
  learned.delete(server);
  Object.keys(options.ids).forEach((rule) => asked.delete(`${server} ${rule}`));
  fillAll();
});

const ruleOfKey = (key) => Object.keys(options.ids).find((name) => options.ids[name].keys.includes(key));

const ruleOfParameter = (path, name) =>
  name === "id" ? path.split("/").at(path.split("/").indexOf("{id}") - 1) : (ruleOfKey(name) ?? name);

const isOurs = (key, value) => value === undefined || value === "" || Boolean(ours.get(key)?.has(value));

const addOurs = (key, value) => ours.set(key, (ours.get(key) ?? new Set()).add(value));

const valueFor = (rule) => {
  const server = selectedServer();
  const value = learned.get(server)?.[rule];
  if (!value && rule in options.ids) {
    ask(server, rule);
  }
  return value;
};

const fillPath = (system, path, method) => {
  const parameters = system.specSelectors.specResolvedSubtree(["paths", path, method])?.get("parameters");
  parameters
    ?.filter((parameter) => parameter.get("in") === "path")
    .forEach((parameter) => {
      const value = valueFor(ruleOfParameter(path, parameter.get("name")));
      const key = `${method} ${path} ${parameter.get("name")}`;
      const current = system.specSelectors.parameterWithMetaByIdentity([path, method], parameter)?.get("value");
      addOurs(key, parameter.get("example") ?? parameter.getIn(["schema", "examples", 0]));
      if (value && value !== current && isOurs(key, current)) {
        addOurs(key, value);
        system.specActions.changeParamByIdentity([path, method], parameter, value, false);
      }
    });
};

const replaceIds = (value, key) => {
  if (Array.isArray(value)) {
    return value.map((each) => replaceIds(each, key));
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaceIds(each, name)]));
  }
  const rule = isId(value) && ruleOfKey(key);
  return rule ? (valueFor(rule) ?? value) : value;
};

const fillBody = (system, path, method) => {
  const key = `${method} ${path}`;
  const current = system.oas3Selectors.requestBodyValue(path, method);
  if (typeof current !== "string") {
    return;
  }
  if (!ours.has(key)) {
    addOurs(key, current); // the example of the document
  }
  if (!isOurs(key, current)) {
    return;
  }
  let body;
  try {
    body = JSON.parse(current);
  } catch {
    return; // not JSON
  }
  const value = JSON.stringify(replaceIds(body), null, 2);
  if (value !== JSON.stringify(body, null, 2)) {
    addOurs(key, value);
    system.oas3Actions.setRequestBodyValue({ value, pathMethod: [path, method] });
  }
};

// Drawn with each unfolded operation, as nothing.
const fillOf = ({ React, getSystem }) => ({ path, method }) => {
  // Swagger UI writes the example into the body after the first drawing, sometimes twice.
  const body = getSystem().oas3Selectors.requestBodyValue(path, method);
  React.useEffect(() => {
    const fill = () => {
      fillPath(getSystem(), path, method);
      fillBody(getSystem(), path, method);
    };
    const each = { fill };
    shown.add(each);
    fill();
    return () => shown.delete(each);
  }, [path, method, body]);
  return null;
};

export const filling = aboveAnswers("Fill", fillOf);
