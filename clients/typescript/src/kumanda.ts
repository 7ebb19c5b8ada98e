/** The client: a method for each HTTP method, typed by path. */

import createClient, { type Client } from "openapi-fetch";
import { data, errorOf } from "./answers.js";
import { RETRIES, retrying, withKey, type Fetch, type Retries } from "./retries.js";
import type { components, paths } from "./schema.js";
import { Session, type Tokens } from "./session.js";

export interface Options {
  /** The address of the service, such as `https://live.example.com`. */
  baseUrl: string;
  /** Tokens of an earlier session. Without tokens calls are anonymous. */
  tokens?: Tokens | null;
  /** Called with each new pair, and with null when the session is over. */
  onTokens?: (tokens: Tokens | null) => void;
  /** Headers of all requests, such as `X-Language`. */
  headers?: Record<string, string>;
  retries?: Partial<Retries>;
  fetch?: Fetch;
}

export interface Kumanda extends Client<paths> {
  readonly session: Session;
  /** Begin a session. Throws KumandaError (`wrong_credentials`). */
  logIn(username: string, password: string): Promise<components["schemas"]["TokenPair"]["user"]>;
  /** End all sessions of the user. Does nothing if this one has ended already. */
  logOut(): Promise<void>;
  /** A client that sends these headers, too, with the same session. */
  withHeaders(headers: Record<string, string>): Kumanda;
}

/** A client of one service. */
export function createKumanda(options: Options): Kumanda {
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const repeated = retrying(send, { ...RETRIES, ...options.retries });
  const session = new Session(options.baseUrl, repeated, options.tokens, options.onTokens);
  return clientOf(session, options.baseUrl, options.headers ?? {});
}

function clientOf(session: Session, baseUrl: string, headers: Record<string, string>): Kumanda {
  const fetch: Fetch = (request) => session.authorised(withKey(request));
  const client = createClient<paths>({ baseUrl, headers, fetch });
  return Object.assign(client, {
    session,
    async logIn(username: string, password: string) {
      const tokens = data(await client.POST("/api/v1/auth/login", { body: { username, password } }));
      session.keep(tokens);
      return tokens.user;
    },
    async logOut() {
      const { error, response } = await client.POST("/api/v1/auth/logout");
      if (!response.ok && response.status !== 401) throw errorOf(response, error);
      session.keep(null);
    },
    withHeaders(more: Record<string, string>) {
      return clientOf(session, baseUrl, { ...headers, ...more });
    },
  });
}
