// client.threads: made, looked for, changed, copied, and their states.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { JOKE, NOBODY, ONCE, TIME, UUID, connect, refused } from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });
const WHOLE = { topic: "ice cream and cats", joke: JOKE };

/** A thread on which the graph `agent` has told its joke. */
async function told() {
  const thread = await client.threads.create();
  await client.runs.wait(thread.thread_id, "agent", { input: { topic: "ice cream" } });
  return thread.thread_id;
}

test("create gives a new thread, which get gives again", async () => {
  const thread = await client.threads.create({ metadata: { owner: "ann" }, graphId: "agent" });
  assert.match(thread.thread_id, UUID);
  assert.match(thread.created_at, TIME);
  assert.equal(thread.status, "idle");
  assert.equal(thread.values, null);
  assert.deepEqual(thread.metadata, { owner: "ann", graph_id: "agent" });
  const found = await client.threads.get(thread.thread_id);
  assert.equal(found.thread_id, thread.thread_id);
  assert.deepEqual(found.metadata, thread.metadata);
});

test("create with an id twice: refused, or what is there when that is asked for", async () => {
  const threadId = randomUUID();
  await client.threads.create({ threadId, metadata: { first: true } });
  await refused(client.threads.create({ threadId }), 409, /already exists/);
  const again = await client.threads.create({ threadId, ifExists: "do_nothing" });
  assert.deepEqual([again.thread_id, again.metadata.first], [threadId, true]);
});

test("create with super-steps: the thread begins with a state", async () => {
  const updates = [{ values: { topic: "dogs" }, asNode: "refine_topic" }];
  const { thread_id } = await client.threads.create({
    graphId: "agent",
    supersteps: [{ updates }],
  });
  const state = await client.threads.getState(thread_id);
  assert.equal(state.values.topic, "dogs");
  assert.deepEqual(state.next, ["generate_joke"]);
});

test("search finds by metadata, status, ids and values, in pages and in order", async () => {
  const mark = randomUUID();
  const made = [];
  for (const size of [1, 2, 3]) {
    made.push((await client.threads.create({ metadata: { mark, size } })).thread_id);
  }
  await client.runs.wait(made[0], "agent", { input: { topic: mark } });
  const ids = (threads) => threads.map(({ thread_id }) => thread_id);
  const metadata = { mark };
  const oldest = { metadata, sortBy: "created_at", sortOrder: "asc" };
  assert.deepEqual(ids(await client.threads.search(oldest)), made);
  assert.deepEqual(ids(await client.threads.search({ ...oldest, limit: 1, offset: 1 })), [made[1]]);
  assert.deepEqual(ids(await client.threads.search({ metadata: { mark, size: 3 } })), [made[2]]);
  assert.deepEqual(ids(await client.threads.search({ ids: [made[1]] })), [made[1]]);
  assert.deepEqual(ids(await client.threads.search({ values: { topic: `${mark} and cats` } })), [
    made[0],
  ]);
  assert.deepEqual(await client.threads.search({ metadata, status: "busy" }), []);
  const [named] = await client.threads.search({ ...oldest, limit: 1, select: ["thread_id"] });
  assert.deepEqual(named, { thread_id: made[0] });
  assert.equal(await client.threads.count({ metadata }), 3);
  const stamped = await client.threads.search({ metadata: { mark, graph_id: "agent" } });
  assert.deepEqual(ids(stamped), [made[0]]);
});

test("update merges metadata; delete takes the thread away", async () => {
  const { thread_id } = await client.threads.create({ metadata: { a: 1 } });
  const changed = await client.threads.update(thread_id, { metadata: { b: 2 } });
  assert.deepEqual(changed.metadata, { a: 1, b: 2 });
  assert.equal(await client.threads.delete(thread_id), undefined);
  await refused(client.threads.get(thread_id), 404, /not found/);
  await refused(client.threads.delete(thread_id), 404, /not found/);
});

test("copy gives a thread of its own with the same past", async () => {
  const original = await told();
  const copy = await client.threads.copy(original);
  assert.notEqual(copy.thread_id, original);
  assert.deepEqual((await client.threads.getState(copy.thread_id)).values, WHOLE);
  const [theirs, ours] = await Promise.all(
    [original, copy.thread_id].map((id) => client.threads.getHistory(id)),
  );
  assert.equal(ours.length, theirs.length);
  await client.threads.updateState(copy.thread_id, { values: { topic: "dogs" } });
  assert.equal((await client.threads.getState(original)).values.topic, WHOLE.topic);
});

test("getState: of the end, of any checkpoint by its id, and by its checkpoint", async () => {
  const thread = await told();
  const state = await client.threads.getState(thread);
  assert.deepEqual(state.values, WHOLE);
  assert.deepEqual([state.next, state.tasks], [[], []]);
  assert.equal(state.checkpoint.thread_id, thread);
  const history = await client.threads.getHistory(thread);
  assert.deepEqual(
    history.map(({ next }) => next),
    [[], ["generate_joke"], ["refine_topic"], ["__start__"]],
  );
  const { checkpoint } = history[1];
  const byId = await client.threads.getState(thread, checkpoint.checkpoint_id);
  const byCheckpoint = await client.threads.getState(thread, checkpoint);
  assert.deepEqual(byId.values, { topic: "ice cream and cats" });
  assert.deepEqual(byCheckpoint.values, byId.values);
  assert.equal(byId.tasks[0].name, "generate_joke");
});

test("getState of a thread that has none is empty; of an unknown one refused", async () => {
  const { thread_id } = await client.threads.create();
  const state = await client.threads.getState(thread_id);
  assert.deepEqual([state.values, state.next, state.tasks], [{}, [], []]);
  await refused(client.threads.getState(NOBODY), 404, /not found/);
});

test("getHistory: newest first, limited, before a checkpoint, and by metadata", async () => {
  const thread = await told();
  const history = await client.threads.getHistory(thread);
  assert.deepEqual(
    history.map(({ metadata }) => metadata.step),
    [2, 1, 0, -1],
  );
  const id = ({ checkpoint }) => checkpoint.checkpoint_id;
  const older = history.slice(2).map(id);
  assert.deepEqual((await client.threads.getHistory(thread, { limit: 2 })).map(id), [
    id(history[0]),
    id(history[1]),
  ]);
  const { checkpoint } = history[1];
  for (const before of [checkpoint, { configurable: checkpoint }]) {
    assert.deepEqual((await client.threads.getHistory(thread, { before })).map(id), older);
  }
  const inputs = await client.threads.getHistory(thread, { metadata: { source: "input" } });
  assert.deepEqual(inputs.map(id), [id(history[3])]);
  for (const at of [0, 1, 2]) {
    assert.equal(history[at].parent_checkpoint.checkpoint_id, id(history[at + 1]));
  }
});

test("updateState writes as a node, and from an older checkpoint", async () => {
  const thread = await told();
  const written = await client.threads.updateState(thread, {
    values: { topic: "dogs" },
    asNode: "refine_topic",
  });
  assert.match(written.configurable.checkpoint_id, UUID);
  const state = await client.threads.getState(thread);
  assert.deepEqual([state.values.topic, state.next], ["dogs", ["generate_joke"]]);
  assert.equal(state.checkpoint.checkpoint_id, written.configurable.checkpoint_id);
  const done = await client.runs.wait(thread, "agent", { input: null });
  assert.equal(done.joke, "This is a joke about dogs");

  const [, , first] = (await client.threads.getHistory(thread)).reverse();
  await client.threads.updateState(thread, {
    values: { topic: "fish" },
    checkpointId: first.checkpoint.checkpoint_id,
    asNode: "refine_topic",
  });
  const forked = await client.threads.getState(thread);
  assert.equal(forked.values.topic, "fish");
  assert.equal(forked.parent_checkpoint.checkpoint_id, first.checkpoint.checkpoint_id);
  await refused(
    client.threads.updateState(thread, { values: { topic: "x" }, asNode: "nobody" }),
    400,
    /nobody/,
  );
});
