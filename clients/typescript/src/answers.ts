/** Reading answers: the data of an envelope, or an error. */

/** What each method of openapi-fetch gives. */
export interface Answer<Body> {
  data?: Body;
  error?: unknown;
  response: Response;
}

/**
 * The service refused the call. `code` is the stable reason (`X-Error-Code`); for an unknown code, use `status`. `errors`
 * are sentences: the first one is fixed for each status, those after it are for people, in the language of the call.
 */
export class KumandaError extends Error {
  override readonly name = "KumandaError";
  readonly status: number;
  readonly code: string | null;
  readonly errors: readonly string[];
  readonly requestId: string | null;

  constructor(response: Response, errors: readonly string[]) {
    const code = response.headers.get("X-Error-Code");
    super([`${response.status} ${code}`, ...errors].join("; "));
    this.status = response.status;
    this.code = code;
    this.errors = errors;
    this.requestId = response.headers.get("X-Request-ID");
  }
}

/** The `data` of an answer. Throws KumandaError for any answer that is no success. */
export function data<T>(answer: Answer<{ data: T }>): T {
  return success(answer).data;
}

/** The text of an answer that was read with `parseAs: "text"`, such as a calendar. Throws KumandaError. */
export function text(answer: Answer<string>): string {
  return success(answer);
}

function success<Body>(answer: Answer<Body>): Body {
  if (answer.data === undefined || !answer.response.ok) throw errorOf(answer.response, answer.error);
  return answer.data;
}

/** The error of a refusal with this body. */
export function errorOf(response: Response, body: unknown): KumandaError {
  const errors = typeof body === "object" && body !== null && "errors" in body ? body.errors : [];
  return new KumandaError(response, Array.isArray(errors) ? errors.map(String) : []);
}
