// Ids of the last answers, filled into path parameters and bodies of other operations.

import { options } from "./page.js";
import { selectedServer } from "./session.js";

const learned = new Map(); // server → {name of a rule: value}
const shown = new Set(); // operations that are unfolded: {path, method}
const filled = new Map(); // what was filled in, so that what a person typed stays

const isId = (value) => typeof value === "string" && value !== "";

// The first object in the answer that a rule finds counts: the newest, or the one that was asked for.
const collect = (value, found) => {
  if (Array.isArray(value)) {
    value.forEach((each) => collect(each, found));
  } else if (value && typeof value === "object") {
    for (const [name, { keys, having }] of Object.entries(options.ids)) {
      const own = having && having in value ? (value.id ?? value._id) : undefined;
      const named = keys.map((key) => value[key]).find(isId);
      found[name] ??= [own, named].find(isId);
    }
    Object.values(value).forEach((each) => collect(each, found));
  }
  return found;
};

export const learn = (server, data) => {
  const found = Object.entries(collect(data, {})).filter(([, value]) => value);
  learned.set(server, { ...learned.get(server), ...Object.fromEntries(found) });
  shown.forEach((each) => each.fill());
};

const ruleOfKey = (key) => Object.keys(options.ids).find((name) => options.ids[name].keys.includes(key));

export const ruleOfParameter = (path, name) =>
  name === "id" ? path.split("/").at(path.split("/").indexOf("{id}") - 1) : (ruleOfKey(name) ?? name);

const mayFill = (key, current) => current === undefined || current === "" || filled.get(key) === current;

const fillPath = (system, path, method, values) => {
  const parameters = system.specSelectors.specResolvedSubtree(["paths", path, method])?.get("parameters");
  parameters
    ?.filter((parameter) => parameter.get("in") === "path")
    .forEach((parameter) => {
      const value = values[ruleOfParameter(path, parameter.get("name"))];
      const key = `${method} ${path} ${parameter.get("name")}`;
      const current = system.specSelectors.parameterWithMetaByIdentity([path, method], parameter)?.get("value");
      if (value && value !== current && mayFill(key, current)) {
        filled.set(key, value);
        system.specActions.changeParamByIdentity([path, method], parameter, value, false);
      }
    });
};

const replaceIds = (value, values) => {
  if (Array.isArray(value)) {
    return value.map((each) => replaceIds(each, values));
  }
  if (value && typeof value === "object") {
    const entries = Object.entries(value).map(([key, each]) => {
      const id = values[ruleOfKey(key)];
      return [key, id && isId(each) ? id : replaceIds(each, values)];
    });
    return Object.fromEntries(entries);
  }
  return value;
};

const fillBody = (system, path, method, values) => {
  const current = system.oas3Selectors.requestBodyValue(path, method);
  const key = `${method} ${path}`;
  if (typeof current !== "string") {
    return;
  }
  if (!filled.has(key)) {
    filled.set(key, current); // the example of the document
  }
  if (filled.get(key) !== current) {
    return; // somebody has changed it
  }
  try {
    const value = JSON.stringify(replaceIds(JSON.parse(current), values), null, 2);
    if (value !== JSON.stringify(JSON.parse(current), null, 2)) {
      filled.set(key, value);
      system.oas3Actions.setRequestBodyValue({ value, pathMethod: [path, method] });
    }
  } catch {
    // Not JSON.
  }
};

// Drawn with each unfolded operation, as nothing.
const fillOf = ({ React, getSystem }) => ({ path, method }) => {
  // Swagger UI writes the example into the body after the first drawing.
  const hasBody = getSystem().oas3Selectors.requestBodyValue(path, method) !== undefined;
  React.useEffect(() => {
    const fill = () => {
      const values = learned.get(selectedServer()) ?? {};
      fillPath(getSystem(), path, method, values);
      fillBody(getSystem(), path, method, values);
    };
    const each = { fill };
    shown.add(each);
    fill();
    return () => shown.delete(each);
  }, [path, method, hasBody]);
  return null;
};

export const filling = (system) => ({
  components: { Fill: fillOf(system) },
  wrapComponents: {
    responses: (Original) => (props) => {
      const h = system.React.createElement;
      const Fill = system.getSystem().getComponent("Fill", true);
      return h(
        system.React.Fragment,
        null,
        h(Fill, { path: props.path, method: props.method }),
        h(Original, props),
      );
    },
  },
});
