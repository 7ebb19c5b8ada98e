/** Reading a list to its end. */

import { data, type Answer } from "./answers.js";

/** The place after which a page begins. Spread it into the query. */
export interface Place {
  after?: string;
}

/**
 * All items of a list, page by page. No item that keeps its sort value is missed or repeated, whatever changes meanwhile.
 *
 *     for await (const stream of items((place) => kumanda.GET("/api/v1/live-stream", { params: { query: { ...place } } })))
 */
export async function* items<T>(
  read: (place: Place) => Promise<Answer<{ data: { list: T[] } }>>,
): AsyncGenerator<T, void, undefined> {
  let place: Place = {};
  for (;;) {
    const answer = await read(place);
    yield* data(answer).list;
    const after = answer.response.headers.get("X-Next-Cursor");
    if (after === null) return;
    place = { after };
  }
}
