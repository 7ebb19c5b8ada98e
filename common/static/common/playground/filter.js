// The filter: every word must occur in an operation (in any part of its description, also error codes) or in a guide.

import { byId, text } from "./page.js";

// As the searches of the API: without regard to case and accents.
const fold = (words) =>
  words
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll("ı", "i");

export const matches = (folded, words) =>
  fold(words)
    .split(/\s+/)
    .every((word) => folded.includes(word));

// Values of examples would find nearly everything; their names are error codes.
const LEFT_OUT = ["example", "value", "links"];

const described = (operation) => JSON.stringify(operation, (key, value) => (LEFT_OUT.includes(key) ? undefined : value));

const known = new WeakMap();

const foldedText = (each) => {
  if (!known.has(each)) {
    const { path, method, operation } = each.toJS();
    known.set(each, fold(`${method} ${path} ${described(operation)}`));
  }
  return known.get(each);
};

export const foldedOf = (element) => fold(element.textContent);

// Swagger UI's own looks only at tags.
export const filtering = () => ({
  fn: {
    opsFilter: (tags, words) =>
      tags
        .map((tag) => tag.update("operations", (operations) => operations.filter((each) => matches(foldedText(each), words))))
        .filter((tag) => tag.get("operations").size),
  },
});

export const startFilter = (ui, filterGuides) => {
  const field = byId("words");
  const none = byId("nothing-found");
  const filter = () => {
    const words = field.value.trim();
    ui.layoutActions.updateFilter(words);
    none.hidden = !words || ui.specSelectors.taggedOperations().size > 0;
    none.textContent = text("nothing_found", { words });
    filterGuides(words);
    for (const webhooks of document.querySelectorAll(".webhooks")) {
      webhooks.hidden = Boolean(words) && !matches(foldedOf(webhooks), words);
    }
  };
  field.addEventListener("input", filter);
  if (field.value) {
    filter(); // typed while the document was being loaded
  }
};
