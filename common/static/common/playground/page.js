// What the server put into the page: options and texts.

export const place = document.getElementById("playground");
export const options = JSON.parse(place.dataset.options);

export const byId = (id) => document.getElementById(id);

export const text = (name, values = {}) =>
  options.texts[name].replace(/\{(\w+)\}/g, (hole, key) => values[key] ?? hole);

export const withoutSlash = (url) => url.replace(/\/+$/, "");
