/** Lets a test use the client by lines of JSON, as `clients/python/tests/driver.py` does. */

import { createInterface } from "node:readline";
import {
  createKumanda,
  data,
  form,
  items,
  JoinTokenInvalid,
  JoinTokens,
  KumandaError,
  Restrictions,
  revocations,
  Webhooks,
  WebhookVerificationError,
  type Kumanda,
  type Tokens,
} from "@kumanda/client";

let kumanda: Kumanda;
let joinTokens: JoinTokens;
let changes: (Tokens | null)[] = [];

interface New {
  url: string;
  tokens?: Tokens;
  timeout?: number;
  attempts?: number;
  patience?: number;
  first_backoff?: number;
}

const methods = {
  new({ url, tokens, timeout = 30, attempts = 5, patience = 45, first_backoff = 0.25 }: New): void {
    changes = [];
    kumanda = createKumanda({
      baseUrl: url,
      tokens: tokens ?? null,
      onTokens: (changed) => changes.push(changed),
      retries: { attempts, patience: patience * 1000, timeout: timeout * 1000, firstBackoff: first_backoff * 1000 },
    });
  },
  tokens() {
    return { now: kumanda.session.tokens, changes };
  },
  async log_in({ username, password }: { username: string; password: string }) {
    return (await kumanda.logIn(username, password)).username;
  },
  async log_out() {
    await kumanda.logOut();
  },
  async me({ times = 1 }: { times?: number }) {
    const answers = await Promise.all(Array.from({ length: times }, () => kumanda.GET("/api/v1/users/me")));
    return answers.map((answer) => data(answer).username);
  },
  async create({ title, key }: { title: string; key?: string }) {
    const params = key === undefined ? {} : { header: { "Idempotency-Key": key } };
    return data(await kumanda.POST("/api/v1/live-stream/create", { params, body: { title } })).id;
  },
  async picture({ stream, content }: { stream: string; content: string }) {
    const params = { path: { id: stream } };
    const thumbnail = new Blob([Buffer.from(content, "base64")], { type: "image/png" });
    const answer = await kumanda.PUT("/api/v1/live-stream/{id}/thumbnail", { params, ...form({ thumbnail }) });
    return data(answer).thumbnailUrl;
  },
  async list_streams({ limit }: { limit: number }) {
    const found = items((place) => kumanda.GET("/api/v1/live-stream", { params: { query: { limit, ...place } } }));
    const ids: string[] = [];
    for await (const stream of found) ids.push(stream.id);
    return ids;
  },
  async revocations({ stream, batches, since }: { stream: string; batches: number; since?: string }) {
    const restrictions = new Restrictions();
    let cursor = since ?? null;
    for await (const batch of revocations(kumanda, stream, since === undefined ? {} : { since })) {
      restrictions.apply(batch);
      cursor = batch.cursor;
      if (--batches === 0) break;
    }
    const actions = [...restrictions.all()].map(([user, held]) => [user, held.action]);
    return { cursor, actions: Object.fromEntries(actions) };
  },
  new_join_tokens({ issuer, keys_url, fetch_pause = 5 }: { issuer: string; keys_url: string; fetch_pause?: number }): void {
    joinTokens = new JoinTokens(issuer, { keysUrl: keys_url, fetchPause: fetch_pause * 1000 });
  },
  async join_token({ token, stream }: { token: string; stream?: string }) {
    const claims = await joinTokens.verify(token, stream === undefined ? {} : { streamId: stream });
    const grants = [...claims.grants].sort();
    return [claims.userId, claims.streamId, claims.role, grants, claims.expiresAt.getTime() / 1000];
  },
  webhook({ secrets, body, headers }: { secrets: [string]; body: string; headers: Record<string, string> }) {
    const notice = new Webhooks(...secrets).verify(body, headers);
    const { streamId, kind, texts, recipients } = notice.batch.data;
    return [notice.id, notice.batch.type, streamId, kind, texts, recipients];
  },
};

async function answerTo(line: string): Promise<object> {
  const { do: name, ...given } = JSON.parse(line) as { do: keyof typeof methods };
  try {
    const method = methods[name] as (given: object) => unknown;
    return { result: (await method(given)) ?? null };
  } catch (error) {
    if (error instanceof KumandaError) {
      return { error: { status: error.status, code: error.code, errors: error.errors } };
    }
    const isInvalid = error instanceof JoinTokenInvalid || error instanceof WebhookVerificationError;
    if (isInvalid) return { error: { code: error.constructor.name } };
    // What fetch rejects with: a TypeError, or a DOMException after the timeout.
    if (error instanceof TypeError || error instanceof DOMException) return { error: { code: "no answer" } };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answerTo(line)));
}
