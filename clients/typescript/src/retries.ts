/** Sending a request again when its answer was lost, or when the service says to come back later. */

export type Fetch = (request: Request) => Promise<Response>;

/**
 * When to send a request again. No attempt starts later than `patience` milliseconds after the first one. It must be below
 * 60,000: only so long a refresh may be repeated with the same token. If `Retry-After` is longer than what is left of it,
 * the refusal is returned. `timeout` is the longest time of one attempt; revocations wait for 25 seconds.
 */
export interface Retries {
  attempts: number;
  patience: number;
  firstBackoff: number;
  timeout: number;
}

export const RETRIES: Retries = { attempts: 5, patience: 45_000, firstBackoff: 250, timeout: 30_000 };

const LONGEST_BACKOFF = 5_000;
// Nothing was changed, or a repeat with the same key gets the answer that was lost.
const REPEATED_STATUSES = new Set([408, 429, 500, 502, 503, 504]);
const REPEATED_CONFLICTS = new Set(["idempotency_key_in_use", "refresh_in_progress"]);
const READS = new Set(["GET", "HEAD", "OPTIONS"]);
const AUTH = "/api/v1/auth/"; // these operations ignore Idempotency-Key; each may be sent again

/** Gives a change an `Idempotency-Key` of its own, unless the caller has chosen one. */
export function withKey(request: Request): Request {
  const isChange = !READS.has(request.method) && !request.url.includes(AUTH);
  if (isChange && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", newKey());
  }
  return request;
}

// Browsers have `crypto.randomUUID` on secure pages only.
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends each request until it has an answer that is no reason to send it again. */
export function retrying(fetch: Fetch, policy: Retries): Fetch {
  return async (request) => {
    const until = performance.now() + policy.patience;
    let backoff = policy.firstBackoff;
    for (let left = policy.attempts - 1; ; left--) {
      const [response, error] = await attempt(fetch, request, policy.timeout);
      if (response && !isToRepeat(response)) return response;
      const retryAfter = secondsOf(response?.headers.get("Retry-After") ?? "") * 1000;
      // The jitter keeps clients that were refused together from coming back together; it is never before Retry-After.
      const pause = retryAfter + (0.5 + Math.random() / 2) * backoff;
      if (left <= 0 || request.signal.aborted || performance.now() + pause > until) {
        if (response) return response;
        throw error;
      }
      backoff = Math.min(2 * backoff, LONGEST_BACKOFF);
      await sleep(pause, request.signal);
    }
  };
}

/** The answer, read to its end, because a connection that is lost in the middle of it loses it, too; or the error. */
async function attempt(fetch: Fetch, request: Request, timeout: number): Promise<[Response | null, unknown]> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]);
  try {
    const response = await fetch(new Request(request.clone(), { signal }));
    await response.clone().arrayBuffer();
    return [response, null];
  } catch (error) {
    return [null, error];
  }
}

function isToRepeat(response: Response): boolean {
  const code = response.headers.get("X-Error-Code") ?? "";
  return REPEATED_STATUSES.has(response.status) || (response.status === 409 && REPEATED_CONFLICTS.has(code));
}

/** Whether a refusal with this status may be gone later. */
export function isTemporary(status: number): boolean {
  return REPEATED_STATUSES.has(status);
}

/** RFC 9110, section 10.2.3: seconds, or a date. 0 for anything else. */
export function secondsOf(retryAfter: string): number {
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? 0 : Math.max(0, (at - Date.now()) / 1000);
}

/** Rejects with the reason of the signal when it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stopped);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stopped();
    else signal?.addEventListener("abort", stopped, { once: true });
  });
}
