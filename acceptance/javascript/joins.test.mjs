// client.runs.joinStream: live, late, with modes, from any event.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  NOBODY,
  ONCE,
  all,
  assertGrowingIds,
  connect,
  data,
  listening,
  names,
  pairs,
  reading,
  refused,
  repeatsParameters,
} from "./lib/client.mjs";
import { Gate } from "./lib/gate.mjs";

const requests = [];
const client = connect({ requests, callerOptions: ONCE });
const REPLAY = { lastEventId: "-1" };

/** A background run of `slow` that stands before its first step. */
async function standing(t, payload = {}) {
  const gate = await Gate.stand(t);
  const { thread_id: thread } = await client.threads.create();
  const { run_id: run } = await client.runs.create(thread, "slow", {
    input: gate.input,
    ...payload,
  });
  assert.equal(await gate.arrival(), "step1");
  return { gate, thread, run };
}

/** The parts, ids and all, of a run that has ended. */
async function ended(graph, input, payload) {
  const { thread_id: thread } = await client.threads.create();
  const parts = await all(client.runs.stream(thread, graph, { input, ...payload }));
  return { thread, run: parts[0].data.run_id, parts };
}

test("several modes at once, in the way of this client", async (t) => {
  const { gate, thread, run } = await standing(t);
  const streamMode = ["values", "custom"];
  const reader = reading(client.runs.joinStream(thread, run, { ...REPLAY, streamMode }));
  await reader.begun;
  gate.open();
  const parts = await reader.parts;
  assert.deepEqual(
    data(parts, "custom"),
    [1, 2, 3, 4, 5].map((step) => ({ step })),
  );
  assert.deepEqual(
    data(parts, "values").map(({ log }) => log.length),
    [0, 1, 2, 3, 4, 5],
  );
  assertGrowingIds(parts);
  const query = requests.findLast((request) => request.includes(`${run}/stream`)).split("?")[1];
  const asked = new URLSearchParams(query).getAll("stream_mode");
  assert.deepEqual(asked, repeatsParameters ? streamMode : [JSON.stringify(streamMode)]);
});

test("modes that the run was not started with, live and after its end", async (t) => {
  const { gate, thread, run } = await standing(t, { streamMode: "values" });
  const options = { ...REPLAY, streamMode: ["updates", "custom"] };
  const reader = reading(client.runs.joinStream(thread, run, options));
  await reader.begun;
  gate.open();
  const live = await reader.parts;
  assert.deepEqual(
    names(live),
    [1, 2, 3, 4, 5].flatMap(() => ["custom", "updates"]),
  );
  assert.deepEqual(await all(client.runs.joinStream(thread, run, options)), live);
});

test("a run is replayed from any of its events, its end too", async () => {
  const streamMode = ["values", "updates", "debug", "tasks", "checkpoints"];
  const { thread, run, parts } = await ended("sub", { foo: "x" }, {
    streamMode,
    streamSubgraphs: true,
  });
  for (const id of ["-1", "0"]) {
    assert.deepEqual(await all(client.runs.joinStream(thread, run, { lastEventId: id })), parts);
  }
  assert.ok(parts.length > 20);
  for (let at = 0; at < parts.length; at += 3) {
    const options = { lastEventId: parts[at].id };
    const rest = await all(client.runs.joinStream(thread, run, options));
    assert.deepEqual(rest, parts.slice(at + 1));
  }
});

test("a failed run is replayed with its error, and tells it to who comes late", async () => {
  const { thread, run, parts } = await ended("fail", { topic: "x" });
  assert.deepEqual(await all(client.runs.joinStream(thread, run, REPLAY)), parts);
  const failure = ["error", { error: "ValueError", message: "boom: x" }];
  assert.deepEqual(pairs(await all(client.runs.joinStream(thread, run))), [failure]);
});

test("of a run that ended well a late joiner without an id gets nothing", async () => {
  const { thread, run } = await ended("agent", { topic: "x" });
  assert.deepEqual(await all(client.runs.joinStream(thread, run)), []);
});

test("a joiner in the middle gets what was, with an id, and then what comes", async (t) => {
  const { gate, thread, run } = await standing(t, { streamMode: "custom" });
  gate.letOn();
  assert.equal(await gate.arrival(), "step2");
  const late = reading(client.runs.joinStream(thread, run, REPLAY));
  await late.begun;
  const { client: another, answered } = listening();
  const fresh = all(another.runs.joinStream(thread, run));
  await answered;
  gate.open();
  const steps = async (parts) => data(await parts, "custom").map(({ step }) => step);
  assert.deepEqual(await steps(late.parts), [1, 2, 3, 4, 5]);
  assert.deepEqual(await steps(fresh), [3, 4, 5]);
});

test("many joiners get the same", async (t) => {
  const { gate, thread, run } = await standing(t);
  const everyone = connect({ callerOptions: { maxConcurrency: 20 } });
  const readers = Array.from({ length: 20 }, () =>
    reading(everyone.runs.joinStream(thread, run, REPLAY)),
  );
  await Promise.all(readers.map(({ begun }) => begun));
  gate.open();
  const [first, ...others] = await Promise.all(readers.map(({ parts }) => parts));
  assert.equal(data(first, "values").length, 6);
  for (const parts of others) assert.deepEqual(parts, first);
});

test("a stateless run is joined by its id alone", async () => {
  let made;
  const onRunCreated = (run) => (made = run);
  const input = { topic: "x" };
  const parts = await all(client.runs.stream(null, "agent", { input, onRunCreated }));
  assert.deepEqual(await all(client.runs.joinStream(null, made.run_id, REPLAY)), parts);
});

test("cancelOnDisconnect: the run goes with its reader", async (t) => {
  const { thread, run } = await standing(t);
  const leaving = new AbortController();
  const options = { ...REPLAY, cancelOnDisconnect: true, signal: leaving.signal };
  const reader = reading(client.runs.joinStream(thread, run, options));
  await reader.begun;
  leaving.abort();
  await assert.rejects(reader.parts).catch(() => reader.parts); // one client throws, one just ends
  await client.runs.join(thread, run);
  assert.equal((await client.runs.get(thread, run)).status, "interrupted");
});

test("a run that is not there is refused", async () => {
  const { thread_id } = await client.threads.create();
  await refused(all(client.runs.joinStream(thread_id, NOBODY)), 404, /not found/i);
  await refused(all(client.runs.joinStream(NOBODY, NOBODY)), 404, /not found/i);
  await refused(all(client.runs.joinStream(thread_id, "no-uuid")), 422, /UUID/);
});
