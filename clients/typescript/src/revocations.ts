/** For media servers and chat servers: which bans to enforce on a stream. */

import { data, KumandaError } from "./answers.js";
import type { Kumanda } from "./kumanda.js";
import { isTemporary, secondsOf, sleep } from "./retries.js";
import type { components } from "./schema.js";

export type Revocation = components["schemas"]["Revocation"];
export type Revocations = components["schemas"]["Revocations"];

const PAUSE = 2_000; // milliseconds after a call that failed

/**
 * Waits for revocations, until `signal` is aborted. The first batch has all that hold now, or what is new after the cursor
 * `since`. Keep the last `cursor` to go on later. Lost connections and a busy service are waited for. Throws KumandaError for
 * other refusals, such as `stream_not_found` and `not_a_service_account`.
 */
export async function* revocations(
  kumanda: Kumanda,
  streamId: string,
  options: { since?: string; signal?: AbortSignal } = {},
): AsyncGenerator<Revocations, void, undefined> {
  const { signal } = options;
  let query = options.since === undefined ? {} : { since: options.since };
  while (!signal?.aborted) {
    let pause = 0;
    try {
      const answer = await kumanda.GET("/api/v1/live-stream/{id}/revocations", {
        params: { path: { id: streamId }, query },
        ...(signal && { signal }),
      });
      const batch = data(answer);
      query = { since: batch.cursor };
      pause = secondsOf(answer.response.headers.get("Retry-After") ?? "") * 1000;
      if (batch.list.length) yield batch;
    } catch (error) {
      if (error instanceof KumandaError && !isTemporary(error.status)) throw error;
      pause = PAUSE;
    }
    await sleep(pause, signal).catch(() => {});
  }
}

/**
 * Whom bans keep from a stream now, from the batches of `revocations`. Check it at each connect: a join token that was signed
 * just before a ban is valid for its lifetime, so a valid token is not enough.
 */
export class Restrictions {
  readonly #of = new Map<string, Revocation>();

  apply(batch: Revocations): void {
    for (const revocation of batch.list) {
      if (revocation.action === "LIFTED") this.#of.delete(revocation.userId);
      else this.#of.set(revocation.userId, revocation);
    }
  }

  /** The bans that hold now, by user. */
  all(now: Date = new Date()): Map<string, Revocation> {
    return new Map([...this.#of].filter(([userId]) => this.of(userId, now) !== null));
  }

  /** The ban of a user that holds now: its `action` is `BLOCK` or `CHAT_ONLY`, or newer than this client. */
  of(userId: string, now: Date = new Date()): Revocation | null {
    const revocation = this.#of.get(userId);
    if (!revocation || (revocation.until !== null && Date.parse(revocation.until) <= now.getTime())) return null;
    return revocation;
  }
}
