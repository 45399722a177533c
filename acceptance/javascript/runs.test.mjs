// client.runs: waited for, in the background, listed, cancelled, one after another.

import assert from "node:assert/strict";
import { test } from "node:test";

import { JOKE, NOBODY, ONCE, TIME, UUID, connect, refused } from "./lib/client.mjs";
import { Gate } from "./lib/gate.mjs";

const client = connect({ callerOptions: ONCE });
const INPUT = { topic: "ice cream" };
const WHOLE = { topic: "ice cream and cats", joke: JOKE };

async function newThread() {
  return (await client.threads.create()).thread_id;
}

/** A run of `slow` in its second step. */
async function inTheSecondStep(t) {
  const gate = await Gate.stand(t);
  const thread = await newThread();
  const { run_id: run } = await client.runs.create(thread, "slow", { input: gate.input });
  assert.equal(await gate.arrival(), "step1");
  gate.letOn();
  assert.equal(await gate.arrival(), "step2");
  return { gate, thread, run };
}

test("wait gives the final values, on a thread and without one", async () => {
  for (const thread of [await newThread(), null]) {
    let made;
    const onRunCreated = (run) => (made = run);
    const values = await client.runs.wait(thread, "agent", { input: INPUT, onRunCreated });
    assert.deepEqual(values, WHOLE);
    assert.match(made.run_id, UUID);
  }
});

test("wait throws what the run failed with, or gives it when that is asked for", async () => {
  const input = { topic: "x" };
  for (const thread of [await newThread(), null]) {
    await assert.rejects(client.runs.wait(thread, "fail", { input }), /^Error: ValueError: boom: x/);
    const values = await client.runs.wait(thread, "fail", { input, raiseError: false });
    assert.deepEqual(values.__error__, { error: "ValueError", message: "boom: x" });
  }
});

test("create answers at once; get, list and join follow the run", async (t) => {
  const gate = await Gate.stand(t);
  const thread = await newThread();
  let made;
  const run = await client.runs.create(thread, "slow", {
    input: gate.input,
    metadata: { why: "test" },
    onRunCreated: (told) => (made = told),
  });
  assert.match(run.run_id, UUID);
  assert.match(run.created_at, TIME);
  assert.equal(run.status, "pending");
  assert.equal(run.thread_id, thread);
  assert.equal(run.metadata.why, "test");
  assert.equal(run.multitask_strategy, "enqueue");
  assert.deepEqual(made, { run_id: run.run_id, thread_id: thread });
  await gate.arrival();
  assert.equal((await client.runs.get(thread, run.run_id)).status, "running");
  assert.equal((await client.threads.get(thread)).status, "busy");
  gate.open();
  assert.equal((await client.runs.join(thread, run.run_id)).log.length, 5);
  assert.equal((await client.runs.get(thread, run.run_id)).status, "success");
  assert.equal((await client.threads.get(thread)).status, "idle");
  const [listed] = await client.runs.list(thread);
  assert.equal(listed.run_id, run.run_id);
});

test("list: the newest first, in pages, by status", async () => {
  const thread = await newThread();
  const made = [];
  for (const graph of ["agent", "fail", "agent"]) {
    const run = await client.runs.create(thread, graph, { input: INPUT });
    made.unshift(run.run_id);
    await client.runs.join(thread, run.run_id);
  }
  const ids = (runs) => runs.map(({ run_id }) => run_id);
  assert.deepEqual(ids(await client.runs.list(thread)), made);
  assert.deepEqual(ids(await client.runs.list(thread, { limit: 1, offset: 1 })), [made[1]]);
  assert.deepEqual(ids(await client.runs.list(thread, { status: "error" })), [made[1]]);
  await refused(client.runs.list(NOBODY), 404, /not found/);
  await refused(client.runs.get(thread, NOBODY), 404, /not found/);
});

test("cancel with wait: the run is interrupted and keeps what it has done", async (t) => {
  const { thread, run } = await inTheSecondStep(t);
  await client.runs.cancel(thread, run, true);
  assert.equal((await client.runs.get(thread, run)).status, "interrupted");
  const state = await client.threads.getState(thread);
  assert.deepEqual([state.values.log, state.next], [["step1"], ["step2"]]);
  const found = await client.threads.get(thread);
  assert.equal(found.status, "interrupted");
  await refused(client.runs.cancel(thread, run), 404, /cancel/);
});

test("cancel without wait answers at once", async (t) => {
  const { thread, run } = await inTheSecondStep(t);
  assert.equal(await client.runs.cancel(thread, run), undefined);
  await client.runs.join(thread, run);
  assert.equal((await client.runs.get(thread, run)).status, "interrupted");
});

test("cancel with rollback: the run and what it did are gone", async (t) => {
  const { thread, run } = await inTheSecondStep(t);
  await client.runs.cancel(thread, run, true, "rollback");
  await refused(client.runs.get(thread, run), 404, /not found/);
  const state = await client.threads.getState(thread);
  assert.deepEqual([state.values, state.next], [{}, []]);
  assert.equal((await client.threads.get(thread)).status, "idle");
});

test("a second run waits for the first one", async (t) => {
  const { gate, thread, run } = await inTheSecondStep(t);
  const second = await client.runs.create(thread, "slow", { input: { delay: 0, log: [] } });
  assert.equal((await client.runs.get(thread, second.run_id)).status, "pending");
  gate.open();
  const values = await client.runs.join(thread, second.run_id);
  assert.equal(values.log.length, 10);
  assert.equal((await client.runs.get(thread, run)).status, "success");
});

test("multitaskStrategy: reject refuses, interrupt and rollback end the first", async (t) => {
  const { gate, thread, run } = await inTheSecondStep(t);
  const input = { delay: 0, log: ["new"] };
  const start = (multitaskStrategy) =>
    client.runs.wait(thread, "slow", { input, multitaskStrategy });
  await refused(start("reject"), 409, /already running/);
  const interrupting = start("interrupt");
  assert.equal(await gate.arrival(), "step1"); // the state still names the gate
  gate.open();
  const after = await interrupting;
  assert.deepEqual(after.log.slice(0, 2), ["step1", "new"]);
  assert.equal((await client.runs.get(thread, run)).status, "interrupted");

  const other = await inTheSecondStep(t);
  const fresh = await client.runs.wait(other.thread, "slow", {
    input,
    multitaskStrategy: "rollback",
  });
  assert.deepEqual(fresh.log, ["new", "step1", "step2", "step3", "step4", "step5"]);
  await refused(client.runs.get(other.thread, other.run), 404, /not found/);
});

test("createBatch starts several; delete takes one away", async () => {
  const runs = await client.runs.createBatch([
    { assistantId: "agent", input: INPUT },
    { assistantId: "agent", input: { topic: "y" } },
  ]);
  assert.equal(runs.length, 2);
  for (const run of runs) assert.match(run.run_id, UUID);
  const thread = await newThread();
  const { run_id } = await client.runs.create(thread, "agent", { input: INPUT });
  await client.runs.join(thread, run_id);
  assert.equal(await client.runs.delete(thread, run_id), undefined);
  await refused(client.runs.get(thread, run_id), 404, /not found/);
});

test("ifNotExists makes the thread; checkpointId goes on from there", async () => {
  await refused(client.runs.wait(NOBODY, "agent", { input: INPUT }), 404, /not found/i);
  const thread = crypto.randomUUID();
  await client.runs.wait(thread, "agent", { input: INPUT, ifNotExists: "create" });
  const history = await client.threads.getHistory(thread);
  const at = history.find(({ next }) => next[0] === "generate_joke").checkpoint;
  const values = await client.runs.wait(thread, "agent", {
    input: null,
    checkpointId: at.checkpoint_id,
  });
  assert.deepEqual(values, WHOLE);
  const [newest, forked] = await client.threads.getHistory(thread, { limit: 2 });
  assert.equal(newest.parent_checkpoint.checkpoint_id, forked.checkpoint.checkpoint_id);
  assert.equal(forked.metadata.source, "fork");
  assert.deepEqual(newest.values, WHOLE);
});
