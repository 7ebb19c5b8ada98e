/** For push gateways: verify the calls of the webhook. */

import { Webhook, WebhookVerificationError } from "standardwebhooks";
import type { components } from "./schema.js";

export { WebhookVerificationError };

export type NotificationBatch = components["schemas"]["NotificationBatch"];

/** `id` is equal for each repeat of a call: discard a batch that was processed before. */
export interface Notice {
  id: string;
  batch: NotificationBatch;
}

/** Verifies calls with the secrets `whsec_…`: two while one is replaced. Any of them may have signed. */
export class Webhooks {
  readonly #webhooks: Webhook[];

  constructor(...secrets: [string, ...string[]]) {
    this.#webhooks = secrets.map((secret) => new Webhook(secret));
  }

  /**
   * The notice in a call. `body` as it was received. Throws WebhookVerificationError for a wrong signature, and for a time
   * that is more than five minutes off.
   */
  verify(body: string, headers: Record<string, string>): Notice {
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    let refused: unknown;
    for (const webhook of this.#webhooks) {
      try {
        const batch = webhook.verify(body, given) as NotificationBatch;
        return { id: given["webhook-id"] ?? "", batch };
      } catch (error) {
        if (!(error instanceof WebhookVerificationError)) throw error;
        refused = error;
      }
    }
    throw refused;
  }
}
