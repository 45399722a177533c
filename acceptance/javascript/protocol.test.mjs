// client.threads.stream: a thread as one session, over server-sent events and over a WebSocket.
// The older client has none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { server } from "./lib/client.mjs";

const { Client } = await import(process.env.SDK);
// A WebSocket lets a client send no headers, and node has one since version 22.
const client = new Client({ apiUrl: server, apiKey: null });
const TRANSPORTS = globalThis.WebSocket === undefined ? ["sse"] : ["sse", "websocket"];
const QUESTION = { question: "ok?", text: "a!" };

/** The events of a subscription, one by one. */
function events(subscription) {
  const iterator = subscription[Symbol.asyncIterator]();
  return {
    /** All up to the first that is wanted. */
    async until(wanted) {
      const seen = [];
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) assert.fail(`ended after ${JSON.stringify(seen)}`);
        seen.push(value);
        if (wanted(value)) return seen;
      }
    },
  };
}

const lifecycle = (event) => (told) =>
  told.method === "lifecycle" &&
  told.params.namespace.length === 0 &&
  told.params.data.event === event;

async function session(t, assistantId, transport) {
  const { thread_id } = await client.threads.create();
  const stream = client.threads.stream(thread_id, { assistantId, transport });
  t.after(() => stream.close());
  return { thread: thread_id, stream };
}

const states = (seen) =>
  seen.filter(({ method }) => method === "values").map(({ params }) => params.data);

if (client.threads.stream === undefined) {
  test("the older client knows runs alone", () => assert.equal(process.env.SDK_VERSION, "2.0.0"));
} else {
  for (const transport of TRANSPORTS) {
    test(`a run from its start to its end, over ${transport}`, async (t) => {
      const { stream } = await session(t, "agent", transport);
      const subscription = await stream.subscribe({ channels: ["values", "updates", "lifecycle"] });
      const { run_id } = await stream.submitRun({ input: { topic: "x" } });
      assert.match(run_id, /^[0-9a-f-]{36}$/);
      const seen = await events(subscription).until(lifecycle("completed"));
      assert.ok(seen.some(lifecycle("running")));
      assert.deepEqual(states(seen).at(-1), {
        topic: "x and cats",
        joke: "This is a joke about x and cats",
      });
    });

    test(`a run that asks a person, over ${transport}`, async (t) => {
      const { thread, stream } = await session(t, "hitl", transport);
      const channels = ["values", "lifecycle", "input"];
      const told = events(await stream.subscribe({ channels }));
      await stream.submitRun({ input: { text: "a" } });
      const seen = await told.until(lifecycle("interrupted"));
      const asked = seen.find(({ method }) => method === "input.requested").params.data;
      assert.deepEqual(asked.payload, QUESTION);
      await stream.respondInput({
        interrupt_id: asked.interrupt_id,
        namespace: [],
        response: "yes",
      });
      const rest = await told.until(lifecycle("completed"));
      assert.deepEqual(states(rest).at(-1), { text: "a! done", approved: "yes" });
      assert.equal((await client.threads.get(thread)).status, "idle");
    });
  }

  test("the words of a model are put together", async (t) => {
    const { stream } = await session(t, "chat", "sse");
    const messages = stream.messages;
    await stream.submitRun({ input: { messages: [{ role: "user", content: "hi" }] } });
    for await (const message of messages) {
      assert.equal(await message.text, "Hello there, human friend");
      break;
    }
  });

  test("the values of a session are those of its runs, the last of them its output", async (t) => {
    const { stream } = await session(t, "custom", "sse");
    const { output } = stream;
    await stream.submitRun({ input: { query: "x" } });
    assert.deepEqual(await output, { query: "x", answer: "some data" });
  });
}
