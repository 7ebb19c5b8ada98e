// Whether this page may call a server. Browsers do not say why a call failed, so a second call asks without CORS.

import { options, withoutSlash } from "./page.js";

// Resolves to null, or to the name of the text that describes the problem.
export const reachOf = async (server) => {
  if (new URL(server, document.baseURI).origin === location.origin) {
    return null;
  }
  const url = withoutSlash(new URL(server, document.baseURI).href) + options.probe;
  try {
    await fetch(url, { method: "HEAD", credentials: "omit" });
    return null;
  } catch {
    try {
      await fetch(url, { method: "HEAD", mode: "no-cors", credentials: "omit" });
      return "cors_refused";
    } catch {
      return "unreachable";
    }
  }
};
