// The question before each call that changes something on Production.

import { byId, options, text, withoutSlash } from "./page.js";

const READING = ["GET", "HEAD", "OPTIONS"];
const WORD = "production"; // the same in every language
const production = withoutSlash(new URL(options.production, document.baseURI).href);

export const isProduction = (url) => {
  const { href } = new URL(url, document.baseURI);
  return withoutSlash(href) === production || [`${production}/`, `${production}?`].some((start) => href.startsWith(start));
};

const question = byId("production-question");
const word = byId("production-word");
const send = byId("production-send");

const strong = document.createElement("strong");
strong.textContent = WORD;
byId("production-label").replaceChildren(
  ...text("production_type")
    .split("{word}")
    .flatMap((part, index) => (index ? [strong, part] : [part])),
);
word.addEventListener("input", () => {
  send.disabled = word.value.trim().toLowerCase() !== WORD;
});
byId("production-cancel").addEventListener("click", () => question.close(""));

const ask = (method, url) =>
  new Promise((resolve) => {
    byId("production-call").textContent = `${method} ${url}`;
    word.value = "";
    send.disabled = true;
    question.returnValue = ""; // Escape leaves it as it is
    question.addEventListener("close", () => resolve(question.returnValue === "send"), { once: true });
    question.showModal();
    word.focus();
  });

// One question at a time: a second call waits until the first is answered.
let lastAnswer = Promise.resolve();

// Resolves to the request, or throws if it is not confirmed.
export const confirmed = async (request) => {
  const method = (request.method || "GET").toUpperCase();
  if (request.loadSpec || READING.includes(method) || !isProduction(request.url)) {
    return request;
  }
  const answer = lastAnswer.then(() => ask(method, request.url));
  lastAnswer = answer;
  if (!(await answer)) {
    throw new Error(text("cancelled"));
  }
  return request;
};

export const showWarning = (server) => {
  byId("production-warning").hidden = !isProduction(server);
};
