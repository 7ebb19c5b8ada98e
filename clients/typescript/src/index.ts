/** The client of Kumanda. `paths` and `components` are the types of the API document. */

export { data, KumandaError, text, type Answer } from "./answers.js";
export { form } from "./forms.js";
export { JoinTokenInvalid, JoinTokens, type JoinClaims } from "./join-tokens.js";
export { createKumanda, type Kumanda, type Options } from "./kumanda.js";
export { items, type Place } from "./paging.js";
export { RETRIES, type Retries } from "./retries.js";
export { Restrictions, revocations, type Revocation, type Revocations } from "./revocations.js";
export type { components, operations, paths } from "./schema.js";
export { Session, type Tokens } from "./session.js";
export { Webhooks, WebhookVerificationError, type Notice, type NotificationBatch } from "./webhooks.js";
