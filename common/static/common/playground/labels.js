// Swagger UI has no translations, so its labels are replaced as they are drawn.

import { options } from "./page.js";

const OURS = "pre, code, textarea, .renderedMarkdown, .opblock-summary-description, .opblock-summary-path, .sample";

const translate = (node) => {
  const label = node.nodeValue.trim();
  const translated = options.labels[label];
  if (translated && !node.parentElement?.closest(OURS)) {
    node.nodeValue = node.nodeValue.replace(label, translated);
  }
};

const translateAll = (root) => {
  if (root.nodeType === Node.TEXT_NODE) {
    translate(root);
    return;
  }
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    translate(walker.currentNode);
  }
};

export const translateLabels = (place) => {
  if (!Object.keys(options.labels).length) {
    return;
  }
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      (type === "characterData" ? [target] : addedNodes).forEach(translateAll);
    }
  }).observe(place, { childList: true, characterData: true, subtree: true });
};
