// Runs that ask a person, and go on with the answer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ONCE, all, connect, data, pairs, refused } from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });
const QUESTION = { question: "ok?", text: "a!" };

/** A thread whose run asks whether the text is good. */
async function asking(payload = {}) {
  const { thread_id: thread } = await client.threads.create();
  const parts = await all(
    client.runs.stream(thread, "hitl", { input: { text: "a" }, ...payload }),
  );
  return { thread, parts };
}

test("updates and values tell of the interrupt", async () => {
  const { parts } = await asking({ streamMode: ["updates", "values"] });
  const update = data(parts, "updates").at(-1);
  const value = data(parts, "values").at(-1);
  for (const { __interrupt__ } of [update, value]) {
    assert.deepEqual(
      __interrupt__.map(({ value }) => value),
      [QUESTION],
    );
    assert.match(__interrupt__[0].id, /^[0-9a-f]{32}$/);
  }
  assert.equal(value.text, "a!");
});

test("the thread and its state say what is asked, and that the run is not stuck", async () => {
  const { thread } = await asking();
  const found = await client.threads.get(thread);
  assert.equal(found.status, "interrupted");
  const [[interrupt]] = Object.values(found.interrupts);
  assert.deepEqual(interrupt.value, QUESTION);
  const state = await client.threads.getState(thread);
  assert.deepEqual(state.next, ["ask"]);
  assert.equal(state.tasks[0].interrupts[0].id, interrupt.id);
  const [run] = await client.runs.list(thread);
  assert.equal(run.status, "success");
  const waiting = await client.threads.search({ ids: [thread], status: "interrupted" });
  assert.equal(waiting.length, 1);
});

test("command resume answers, and the run goes on", async () => {
  const { thread } = await asking();
  const command = { resume: "yes" };
  const parts = await all(
    client.runs.stream(thread, "hitl", { command, streamMode: "updates" }),
  );
  assert.deepEqual(pairs(parts.slice(1)), [
    ["updates", { ask: { approved: "yes" } }],
    ["updates", { done: { text: "a! done" } }],
  ]);
  const found = await client.threads.get(thread);
  assert.deepEqual([found.status, found.interrupts], ["idle", {}]);
});

test("wait gives the question with the values, and resumes too", async () => {
  const { thread_id: thread } = await client.threads.create();
  const asked = await client.runs.wait(thread, "hitl", { input: { text: "a" } });
  assert.deepEqual(asked.__interrupt__[0].value, QUESTION);
  const answer = { [asked.__interrupt__[0].id]: { ok: true } };
  const values = await client.runs.wait(thread, "hitl", { command: { resume: answer } });
  assert.deepEqual(values, { text: "a! done", approved: { ok: true } });
});

test("command update and goto write and jump", async () => {
  const { thread } = await asking();
  const command = { update: { text: "b" }, goto: "done" };
  await client.runs.wait(thread, "hitl", { command });
  const state = await client.threads.getState(thread);
  assert.equal(state.values.text, "b done");
});

test("interruptBefore and interruptAfter stop there; a run without input goes on", async () => {
  const { thread_id: thread } = await client.threads.create();
  const input = { topic: "x" };
  await client.runs.wait(thread, "agent", { input, interruptBefore: ["generate_joke"] });
  const state = await client.threads.getState(thread);
  assert.deepEqual(state.next, ["generate_joke"]);
  const values = await client.runs.wait(thread, "agent", { input: null });
  assert.equal(values.joke, "This is a joke about x and cats");
  const other = (await client.threads.create()).thread_id;
  await client.runs.wait(other, "agent", { input, interruptAfter: "*" });
  assert.deepEqual((await client.threads.getState(other)).next, ["generate_joke"]);
});

test("a run without a thread has nothing to resume", async () => {
  await refused(client.runs.wait(null, "hitl", { command: { resume: "x" } }), 400, /thread_id/);
});
