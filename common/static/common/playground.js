"use strict";

const READING = ["GET", "HEAD", "OPTIONS"];
const WORD = "production";
const place = document.getElementById("playground");
const production = place.dataset.production.replace(/\/+$/, "");

const isProduction = (url) => {
  const { href } = new URL(url, document.baseURI);
  const home = new URL(production, document.baseURI).href.replace(/\/+$/, "");
  return href === home || [`${home}/`, `${home}?`].some((start) => href.startsWith(start));
};

// --- the question before a changing call ---------------------------------------------------------

const question = document.getElementById("production-question");
const word = document.getElementById("production-word");
const send = document.getElementById("production-send");

word.addEventListener("input", () => {
  send.disabled = word.value.trim().toLowerCase() !== WORD;
});
document.getElementById("production-cancel").addEventListener("click", () => question.close(""));

const ask = (method, url) =>
  new Promise((resolve) => {
    document.getElementById("production-call").textContent = `${method} ${url}`;
    word.value = "";
    send.disabled = true;
    question.returnValue = ""; // Escape leaves it as it is
    question.addEventListener("close", () => resolve(question.returnValue === "send"), { once: true });
    question.showModal();
    word.focus();
  });

// One question at a time: a second call waits until the first is answered.
let lastAnswer = Promise.resolve();

const askBeforeChangingProduction = async (request) => {
  const method = (request.method || "GET").toUpperCase();
  if (request.loadSpec || READING.includes(method) || !isProduction(request.url)) {
    return request;
  }
  const answer = lastAnswer.then(() => ask(method, request.url));
  lastAnswer = answer;
  if (!(await answer)) {
    throw new Error("Cancelled. Nothing was sent to Production.");
  }
  return request;
};

// --- Swagger UI ----------------------------------------------------------------------------------

const ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null, // its badge would ask a server on the internet
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  requestInterceptor: askBeforeChangingProduction,
  showMutatedRequest: false, // a cancelled call has none, and Swagger UI fails to draw its answer
});

// --- the standing warning ------------------------------------------------------------------------

const warning = document.getElementById("production-warning");

const warn = () => {
  const server = ui.oas3Selectors.selectedServer();
  warning.hidden = !(server && isProduction(server));
};

ui.getStore().subscribe(warn);
warn();
