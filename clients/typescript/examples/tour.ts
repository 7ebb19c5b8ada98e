/**
 * The tour of the README of the service with this client: node examples/tour.ts http://localhost:8000
 *
 * It prints what the lines of that tour print.
 */

import { createKumanda, data, KumandaError, text, type Answer, type Kumanda } from "@kumanda/client";

/** As Python prints it, like the README. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, each]) => `${shown(name)}: ${shown(each)}`).join(", ")}}`;
  }
  return typeof value === "string" ? `'${value}'` : String(value);
}

/** Print the status and some of the data, or the reasons of a refusal. */
function show<T>(answer: Answer<{ data: T }>, pick: (read: T) => unknown[]): T | null {
  try {
    const read = data(answer);
    console.log(answer.response.status, shown(pick(read)));
    return read;
  } catch (error) {
    if (!(error instanceof KumandaError)) throw error;
    console.log(error.status, shown(error.errors));
    return null;
  }
}

async function main(baseUrl: string): Promise<void> {
  const kumanda = createKumanda({ baseUrl });
  const viewer = createKumanda({ baseUrl });
  await kumanda.logIn("deniz", "deniz-of-the-demo");
  show(await kumanda.GET("/api/v1/users/me"), (me) => [me.username, me.name, me.surname]);

  const created = await kumanda.POST("/api/v1/live-stream/create", { body: { title: "Işık ve Gölge" } });
  const stream = show(created, (read) => [read.status, read.channelName, read.role]);
  if (!stream || !created.data) throw new Error("no stream was created");
  console.log(shown(Object.keys(created.data)), created.data.timestamp);

  await scheduleAndRemind(kumanda, viewer, stream.id);
  await startAndBan(kumanda, viewer, stream.id);
  await endAndRefuse(kumanda, stream.id);
  await readLists(kumanda);

  const loggedOut = await kumanda.POST("/api/v1/auth/logout");
  console.log(loggedOut.response.status, "[]");
  show(await kumanda.GET("/api/v1/users/me"), () => []);
}

async function scheduleAndRemind(kumanda: Kumanda, viewer: Kumanda, id: string): Promise<void> {
  const params = { path: { id } };
  const first = { plannedStartDate: "2040-05-01T20:00:00.000+03:00" };
  show(await kumanda.PATCH("/api/v1/live-stream/{id}", { params, body: first }), (read) => [
    read.status,
    read.plannedStartDate,
  ]);
  await viewer.logIn("kerem", "kerem-of-the-demo");
  show(await viewer.POST("/api/v1/live-stream/{id}/reminder", { params, body: { minute: 15 } }), (read) => [
    read.status,
    read.scheduledFor,
  ]);
  const second = { plannedStartDate: "2040-05-02T17:00:00.000Z", durationGoal: 90 };
  show(await kumanda.PATCH("/api/v1/live-stream/{id}", { params, body: second }), (read) => [read.plannedEndDate]);
  show(await viewer.GET("/api/v1/live-stream/{id}/reminder", { params }), (read) => [read.scheduledFor]);
  const calendar = text(await viewer.GET("/api/v1/live-stream/{id}/calendar.ics", { params, parseAs: "text" }));
  for (const line of calendar.split("\r\n")) {
    if (/^(DTSTART|SEQUENCE|TRIGGER)/.test(line)) console.log(line);
  }
}

async function startAndBan(kumanda: Kumanda, viewer: Kumanda, id: string): Promise<void> {
  const params = { path: { id } };
  show(await kumanda.POST("/api/v1/live-stream/{id}/start", { params }), (read) => [read.status]);
  show(await kumanda.GET("/api/v1/live-stream/my-active-stream"), (read) => [read?.title]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const turkish = viewer.withHeaders({ "X-Language": "tr" });
  const notices = data(await turkish.GET("/api/v2/notifications", { params: { query: { limit: 1 } } }));
  console.log(notices.list[0]?.message);
  show(await viewer.GET("/api/v1/live-stream/{id}/reminder", { params }), (read) => [read.status]);

  const join = { liveStreamId: id };
  show(await viewer.POST("/api/v1/live-stream/join", { body: join }), (read) => [read.role]);
  const bans = { liveStreamId: id, targets: ["kerem"], durationSeconds: 600, reason: "spam" };
  show(await kumanda.POST("/api/v1/live-stream-ban/bulk", { body: bans }), (read) => [
    read.banned,
    read.alreadyBanned,
    read.refused,
  ]);
  show(await viewer.POST("/api/v1/live-stream/join", { body: join }), (read) => [read.role]);
  show(await kumanda.POST("/api/v1/live-stream/{id}/end", { params }), (read) => [read.status]);
}

async function endAndRefuse(kumanda: Kumanda, id: string): Promise<void> {
  const params = { path: { id } };
  const cancel = "/api/v1/live-stream/{id}/cancel";
  show(await kumanda.POST(cancel, { params }), (read) => [read.status]);
  try {
    data(await kumanda.POST(cancel, { params }));
  } catch (error) {
    if (error instanceof KumandaError) console.log(error.code);
  }
  const turkish = kumanda.withHeaders({ "X-Language": "tr" });
  show(await turkish.POST(cancel, { params }), (read) => [read.status]);
  const wrong = { title: "", durationGoal: 0 };
  show(await kumanda.POST("/api/v1/live-stream/create", { body: wrong }), (read) => [read.status]);
  show(await kumanda.DELETE("/api/v1/live-stream/{id}", { params }), (read) => [read.status]);
  show(await kumanda.GET("/api/v1/live-stream/{id}", { params }), (read) => [read.status]);
}

async function readLists(kumanda: Kumanda): Promise<void> {
  const active = await kumanda.GET("/api/v1/live-stream", { params: { query: { status: ["active"], limit: 3 } } });
  console.log(shown(data(active).pagination));
  const found = await kumanda.GET("/api/v1/live-stream", { params: { query: { search: "istanbul", limit: 1 } } });
  console.log(data(found).list[0]?.title);
}

await main(process.argv[2] ?? "http://localhost:8000");
