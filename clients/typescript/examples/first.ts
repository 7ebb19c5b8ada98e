import { createKumanda, data, items } from "@kumanda/client";

const kumanda = createKumanda({ baseUrl: "http://localhost:8000" });
console.log("Hello,", (await kumanda.logIn("deniz", "deniz-of-the-demo")).name);
const stream = data(await kumanda.POST("/api/v1/live-stream/create", { body: { title: "Işık ve Gölge" } }));
const params = { path: { id: stream.id } };
console.log(stream.channelName, data(await kumanda.POST("/api/v1/live-stream/{id}/cancel", { params })).status);
const { response } = await kumanda.POST("/api/v1/live-stream/{id}/cancel", { params });
const query = { search: "istanbul" };
const found = items((place) => kumanda.GET("/api/v1/live-stream", { params: { query: { ...query, ...place } } }));
console.log(response.headers.get("X-Error-Code"), (await Array.fromAsync(found)).length);
