// The server, and logging in on it.

import { byId, options, text, withoutSlash } from "./page.js";
import { confirmed, showWarning } from "./production.js";
import { reachOf } from "./reach.js";
import { dropToken, keepToken, tokenOf, usableToken, useToken } from "./tokens.js";

const status = byId("status");
const reach = byId("reach");
const chosen = byId("server");
let ui;

const nameOf = (server) => [...chosen.options].find((each) => each.value === server)?.dataset.name ?? server;

const say = (words, isFailure = false) => {
  status.textContent = words;
  status.classList.toggle("failure", isFailure);
};

const show = () => {
  const server = chosen.value;
  const kept = tokenOf(server);
  const isIn = Boolean(kept && !kept.ended);
  const key = isIn ? (kept.name ? "logged_in" : "token_used") : kept?.ended ? "session_ended" : "logged_out";
  say(text(key, { server: nameOf(server), name: kept?.name }), Boolean(kept?.ended));
  status.classList.toggle("in", isIn);
  byId("login").hidden = isIn;
  byId("pasting").hidden = isIn;
  byId("logout").hidden = !isIn;
  if (byId("accounts")) {
    // Their passwords are those of the demo, so they are sent to no other server.
    byId("accounts").hidden = server !== options.development;
    for (const button of byId("accounts").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(isIn && kept.name === button.dataset.username));
    }
  }
};

const tokenChanged = (server) => {
  if (server === chosen.value) {
    useToken(ui, server);
    show();
  }
};

const showReach = async (server) => {
  reach.hidden = true;
  const problem = await reachOf(server);
  if (problem && chosen.value === server) {
    reach.textContent = text(problem, { server: nameOf(server), url: server, origin: location.origin });
    reach.hidden = false;
  }
};

const select = (server) => {
  ui.oas3Actions.setSelectedServer(server);
  useToken(ui, server);
  showWarning(server);
  show();
  showReach(server);
};

const post = async (server, path, body) => {
  const url = withoutSlash(server) + path;
  await confirmed({ method: "POST", url });
  const headers = { "Content-Type": "application/json", "X-Language": document.documentElement.lang };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const { data, errors } = await answer.json();
  if (!answer.ok) {
    throw new Error(errors.join(" – "));
  }
  return data;
};

const logIn = async (username, password) => {
  const server = chosen.value;
  try {
    adopt(server, await post(server, options.login, { username, password }), username);
  } catch (error) {
    say(text("login_failed", { reason: error.message }), true);
    showReach(server);
  }
};

const listeners = [];

export const onLogin = (listener) => listeners.push(listener);

// Also for a login that was sent as an operation.
export const adopt = (server, { accessToken, refreshToken, user }, username) => {
  keepToken(server, { accessToken, refreshToken, name: user?.username ?? username });
  tokenChanged(server);
  listeners.forEach((listener) => listener(server));
};

export const sessionEnded = (server) => {
  const kept = usableToken(server);
  if (kept) {
    keepToken(server, { ...kept, ended: true });
    tokenChanged(server);
  }
};

const logOut = async () => {
  const server = chosen.value;
  const { refreshToken } = tokenOf(server);
  dropToken(server);
  tokenChanged(server);
  if (refreshToken) {
    await post(server, options.logout, { refreshToken }).catch((error) => say(error.message, true));
  }
};

export const focusLogin = () => {
  byId("session").scrollIntoView({ block: "start" });
  byId("username").focus();
};

export const start = (swagger) => {
  ui = swagger;
  for (const server of ui.specSelectors.servers().toJS()) {
    const option = new Option(`${server.description} – ${server.url}`, server.url);
    option.dataset.name = server.description;
    chosen.append(option);
  }
  chosen.addEventListener("change", () => select(chosen.value));
  byId("login").addEventListener("submit", (event) => {
    event.preventDefault();
    logIn(byId("username").value, byId("password").value).then(() => {
      byId("password").value = "";
    });
  });
  byId("paste").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(chosen.value, { accessToken: byId("token").value.trim() });
    byId("token").value = "";
    tokenChanged(chosen.value);
  });
  byId("accounts")?.addEventListener("click", (event) => {
    const { username, password } = event.target.closest("button")?.dataset ?? {};
    if (username) {
      logIn(username, password);
    }
  });
  byId("logout").addEventListener("click", logOut);
  select(chosen.value);
  byId("session").inert = false; // until here nothing would have answered
};

export const selectedServer = () => chosen.value;

// Undefined for an address of no server.
export const serverOf = (url) =>
  [...chosen.options].map(({ value }) => value).find((server) => url?.startsWith(`${withoutSlash(server)}/`));
