/** The tokens of a session: they authorise each call and are refreshed when the access token has expired. */

import { errorOf } from "./answers.js";
import type { Fetch } from "./retries.js";
import type { components } from "./schema.js";

type TokenPair = components["schemas"]["TokenPair"];

export type Tokens = Pick<TokenPair, "accessToken" | "refreshToken">;

/**
 * Authorises requests, and exchanges the refresh token when a call is refused with `token_expired`. Concurrent calls wait for
 * one refresh. A refresh whose answer was lost is sent again with the same token, which the service answers with the same
 * pair for 60 seconds. `onChange` is called with each new pair, and with null when the session is over: keep the pair where
 * it outlives the process.
 */
export class Session {
  #tokens: Tokens | null;
  #refreshing: Promise<void> | null = null;
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #onChange: (tokens: Tokens | null) => void;

  constructor(
    baseUrl: string,
    fetch: Fetch,
    tokens: Tokens | null = null,
    onChange: (tokens: Tokens | null) => void = () => {},
  ) {
    this.#url = `${baseUrl.replace(/\/+$/, "")}/api/v1/auth/refresh`;
    this.#fetch = fetch;
    this.#tokens = tokens;
    this.#onChange = onChange;
  }

  get tokens(): Tokens | null {
    return this.#tokens;
  }

  /** Use these tokens from now on; null logs out on this side only. */
  keep(tokens: Tokens | null): void {
    this.#tokens = tokens && { accessToken: tokens.accessToken, refreshToken: tokens.refreshToken };
    this.#onChange(this.#tokens);
  }

  /** Sends a request with the access token. Throws KumandaError if a refresh is refused. */
  readonly authorised: Fetch = async (request) => {
    const used = this.#tokens;
    const response = await this.#fetch(authorise(request, used));
    const isExpired = response.status === 401 && response.headers.get("X-Error-Code") === "token_expired";
    if (!used || !isExpired) return response;
    if (this.#tokens === used) {
      this.#refreshing ??= this.#refresh(used).finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
    return this.#tokens ? this.#fetch(authorise(request, this.#tokens)) : response;
  };

  async #refresh(used: Tokens): Promise<void> {
    const body = JSON.stringify({ refreshToken: used.refreshToken });
    const headers = { "Content-Type": "application/json" };
    const response = await this.#fetch(new Request(this.#url, { method: "POST", headers, body }));
    const answer: unknown = await response.json().catch(() => null);
    if (response.status !== 200) {
      // The session is over: log in again.
      if (response.status === 401) this.keep(null);
      throw errorOf(response, answer);
    }
    this.keep((answer as { data: TokenPair }).data);
  }
}

function authorise(request: Request, tokens: Tokens | null): Request {
  if (tokens) request.headers.set("Authorization", `Bearer ${tokens.accessToken}`);
  return request;
}
