/** For push gateways: verify the calls of the webhook. */

import { Webhook, WebhookVerificationError } from "standardwebhooks";

export { WebhookVerificationError };

/** `plannedStartDate` is null if the stream had none. `texts` has one entry for each language. */
export interface NoticeData {
  streamId: string;
  kind: "reminder" | "live" | "cancelled";
  plannedStartDate: string | null;
  texts: Record<string, { title: string; message: string }>;
  recipients: { userId: string; language: string; devices: { platform: string; token: string }[] }[];
}

/** A batch of notifications. `id` is equal for each repeat: discard a batch that was processed before. */
export interface Notice {
  id: string;
  type: string;
  timestamp: string;
  data: NoticeData;
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
        const read = webhook.verify(body, given) as Omit<Notice, "id">;
        return { id: given["webhook-id"] ?? "", type: read.type, timestamp: read.timestamp, data: read.data };
      } catch (error) {
        if (!(error instanceof WebhookVerificationError)) throw error;
        refused = error;
      }
    }
    throw refused;
  }
}
