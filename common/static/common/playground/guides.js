// Guides: pages that are shown beside the operations.

import { foldedOf, matches, startFilter } from "./filter.js";
import { byId } from "./page.js";

const HASH = "#guide/";
const OPERATION = /^(GET|POST|PUT|PATCH|DELETE) (\/\S+)$/;

const column = byId("guides");
const buttons = [...(column?.querySelectorAll("button[data-guide]") ?? [])];

const show = (name) => {
  for (const button of buttons) {
    const isShown = button.dataset.guide === name;
    button.setAttribute("aria-expanded", String(isShown));
    byId(`guide-${button.dataset.guide}`).hidden = !isShown;
  }
  byId("reader").hidden = !name;
  document.body.classList.toggle("reading", Boolean(name));
  if (name) {
    byId("reader").scrollTop = 0;
    byId(`guide-${name}`).focus({ preventScroll: true });
  }
};

const inAddress = () => (location.hash.startsWith(HASH) ? location.hash.slice(HASH.length) : "");

const withoutHash = () => history.replaceState(null, "", location.pathname + location.search);

// A guide stays open when the address names an operation.
const showFromAddress = () => {
  if (buttons.some((button) => button.dataset.guide === inAddress())) {
    show(inAddress());
  }
};

// Swagger UI would take the address for that of an operation.
const first = inAddress();
if (first) {
  withoutHash();
}

const showOperation = (ui, { tag, id }) => {
  if (matchMedia("(max-width: 70rem)").matches) {
    show(""); // it covers the operations
  }
  ui.layoutActions.show(["operations-tag", tag], true);
  ui.layoutActions.show(["operations", tag, id], true);
  // Drawn in the next frame.
  requestAnimationFrame(() => byId(`operations-${tag.replaceAll(" ", "_")}-${id}`)?.scrollIntoView());
};

// `POST /api/v1/…` in a guide opens the operation.
const linkOperations = (ui) => {
  const operations = new Map();
  ui.specSelectors.taggedOperations().forEach((group, tag) =>
    group.get("operations").forEach((each) => {
      const name = `${each.get("method").toUpperCase()} ${each.get("path")}`;
      operations.set(name, { tag, id: each.getIn(["operation", "operationId"]) ?? each.get("id") });
    }),
  );
  for (const code of column.querySelectorAll("article code")) {
    const found = OPERATION.test(code.textContent) && operations.get(code.textContent);
    if (found) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "operation-link";
      code.replaceWith(button);
      button.append(code);
      button.addEventListener("click", () => showOperation(ui, found));
    }
  }
};

const filterGuides = (words) => {
  for (const button of buttons) {
    const article = byId(`guide-${button.dataset.guide}`);
    button.parentElement.hidden = Boolean(words) && !matches(foldedOf(article), words);
  }
};

export const startGuides = (ui) => {
  if (column) {
    linkOperations(ui); // before the filter hides operations
  }
  startFilter(ui, filterGuides);
  if (!column) {
    byId("to-guides").hidden = true;
    return;
  }
  const leave = () => {
    const button = buttons.find((each) => each.getAttribute("aria-expanded") === "true");
    withoutHash();
    show("");
    button?.focus({ preventScroll: true });
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      location.hash = HASH + button.dataset.guide;
      show(button.dataset.guide);
    });
  }
  byId("close-guide").addEventListener("click", leave);
  byId("to-guides").addEventListener("click", () => {
    column.scrollIntoView({ block: "start" });
    buttons.find((button) => !button.parentElement.hidden)?.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("reader").hidden && !document.querySelector("dialog[open]")) {
      leave();
    }
  });
  addEventListener("hashchange", showFromAddress);
  if (first) {
    location.hash = HASH + first;
  }
};
