/** For media servers and chat servers: verify join tokens without a call for each. */

import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet, type JWTPayload } from "jose";

const LEEWAY = 30; // seconds that the clock of the service may be ahead
const OLDEST = 300_000; // milliseconds until the keys are fetched again, so that one that was withdrawn is forgotten

/** The token must not admit anybody. The message says why, for logs. */
export class JoinTokenInvalid extends Error {
  override readonly name = "JoinTokenInvalid";
}

/** `grants` has `watch`, and `chat` unless a ban forbids it. `tokenId` (`jti`) is unique. */
export interface JoinClaims {
  userId: string;
  streamId: string;
  role: string;
  grants: ReadonlySet<string>;
  tokenId: string;
  expiresAt: Date;
}

type Keys = ReturnType<typeof createLocalJWKSet>;

/**
 * Verifies the join tokens of the service at `issuer`, its public address, which signs as `iss`. The public keys are fetched
 * from it once, again when a token names an unknown one, and every five minutes. While the service cannot be reached, known
 * keys remain in use. `keysUrl` is another address of the keys. Between two fetches are `fetchPause` milliseconds, so that
 * unknown keys in forged tokens do not become a flood of calls; a new key is published 15 seconds before it signs.
 */
export class JoinTokens {
  readonly #issuer: string;
  readonly #keysUrl: string;
  readonly #fetchPause: number;
  readonly #fetch: (url: string) => Promise<Response>;
  #keys: Keys = createLocalJWKSet({ keys: [] });
  #fetchedAt = -Infinity;
  #fetching: Promise<void> | null = null;

  constructor(
    issuer: string,
    options: { keysUrl?: string; fetchPause?: number; fetch?: (url: string) => Promise<Response> } = {},
  ) {
    this.#issuer = issuer;
    this.#keysUrl = options.keysUrl ?? `${issuer.replace(/\/+$/, "")}/.well-known/jwks.json`;
    this.#fetchPause = options.fetchPause ?? 5_000;
    this.#fetch = options.fetch ?? ((url) => fetch(url, { signal: AbortSignal.timeout(10_000) }));
  }

  /**
   * The claims of a valid token, of this stream if one is named. Throws JoinTokenInvalid, and the error of fetch when the
   * key is unknown and the keys cannot be fetched.
   */
  async verify(token: string, options: { streamId?: string } = {}): Promise<JoinClaims> {
    const claims = claimsOf(await this.#verified(token));
    if (options.streamId !== undefined && claims.streamId !== options.streamId) {
      throw new JoinTokenInvalid("the token is for another stream");
    }
    return claims;
  }

  async #verified(token: string): Promise<JWTPayload> {
    if (this.#age() > OLDEST) await this.#refetch().catch(() => {});
    try {
      return await this.#verifiedBy(token, this.#keys);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw asInvalid(error);
    }
    if (this.#fetching || this.#age() > this.#fetchPause) await this.#refetch();
    try {
      return await this.#verifiedBy(token, this.#keys);
    } catch (error) {
      throw asInvalid(error);
    }
  }

  async #verifiedBy(token: string, keys: Keys): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["ES256"],
      audience: "media",
      issuer: this.#issuer,
      requiredClaims: ["exp", "iat", "sub", "jti"],
    });
    return payload;
  }

  #age(): number {
    return performance.now() - this.#fetchedAt;
  }

  #refetch(): Promise<void> {
    this.#fetching ??= this.#fetchKeys().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetchKeys(): Promise<void> {
    this.#fetchedAt = performance.now();
    const response = await this.#fetch(this.#keysUrl);
    if (!response.ok) throw new Error(`${this.#keysUrl} answered ${response.status}`);
    this.#keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
  }
}

function claimsOf(payload: JWTPayload): JoinClaims {
  const { sub, jti, exp, iat, stream, role, grants } = payload;
  // Only `iat` gets a leeway: it may be in the future for a clock that is late.
  if ((iat ?? Infinity) > Date.now() / 1000 + LEEWAY) throw new JoinTokenInvalid("the token was issued in the future");
  if (typeof stream !== "string" || typeof role !== "string" || !Array.isArray(grants) || !sub || !jti || !exp) {
    throw new JoinTokenInvalid("a claim is missing");
  }
  return {
    userId: sub,
    streamId: stream,
    role,
    grants: new Set(grants.map(String)),
    tokenId: jti,
    expiresAt: new Date(exp * 1000),
  };
}

function asInvalid(error: unknown): unknown {
  return error instanceof errors.JOSEError ? new JoinTokenInvalid(error.message, { cause: error }) : error;
}
