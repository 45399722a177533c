// A server that is killed, or stopped, and started again: its clients go on.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  all,
  assertGrowingIds,
  connect,
  data,
  names,
  pairs,
  reading,
  refused,
  server,
} from "./lib/client.mjs";
import { deaf, kill, start, stop } from "./lib/control.mjs";
import { Gate } from "./lib/gate.mjs";

// Requests wait for the server, as behind a load balancer: the older client gives up when the first
// of its attempts to come back finds nobody there.
let up = Promise.resolve();
const patient = async (...request) => {
  await up;
  return fetch(...request);
};
const client = connect({ callerOptions: { fetch: patient } });
const LOG = ["step1", "step2", "step3", "step4", "step5"];

/** End the server in this way, and start it again. */
async function again(end) {
  let open;
  up = new Promise((resolve) => (open = resolve));
  const said = await end();
  assert.equal(await start(), "started");
  open();
  return said;
}

/** A run of `slow` whose third step stands at the gate. */
async function inTheThirdStep(t) {
  const gate = await Gate.stand(t);
  const { thread_id: thread } = await client.threads.create();
  const run = await client.runs.create(thread, "slow", { input: gate.input });
  for (const step of LOG.slice(0, 2)) {
    assert.equal(await gate.arrival(), step);
    gate.letOn();
  }
  assert.equal(await gate.arrival(), "step3");
  return { gate, thread, run: run.run_id };
}

test("a run that was killed goes on from its last step, once", async (t) => {
  const { gate, thread, run } = await inTheThirdStep(t);
  await again(kill);
  assert.equal(await gate.arrival(), "step3");
  gate.open();
  assert.deepEqual((await client.runs.join(thread, run)).log, LOG);
  assert.equal((await client.runs.get(thread, run)).status, "success");
  assert.deepEqual((await client.threads.getState(thread)).values.log, LOG);

  const parts = await all(
    client.runs.joinStream(thread, run, { lastEventId: "-1", streamMode: "values" }),
  );
  const states = data(parts, "values");
  assert.deepEqual(states.at(-1).log, LOG);
  assertGrowingIds(parts);
});

test("a reader sees where the new attempt begins, and no step missing or twice", async (t) => {
  const { gate, thread, run } = await inTheThirdStep(t);
  const reader = reading(client.runs.joinStream(thread, run, { lastEventId: "-1" }));
  await reader.begun;
  await again(kill);
  assert.equal(await gate.arrival(), "step3");
  gate.open();
  const parts = await reader.parts;
  assert.deepEqual(
    data(parts, "metadata").map(({ run_id, attempt }) => [run_id, attempt]),
    [
      [run, 1],
      [run, 2],
    ],
  );
  const second = parts.findLastIndex((part) => part.event === "metadata");
  assert.deepEqual(lengths(parts.slice(0, second)), [0, 1, 2]);
  assert.deepEqual(lengths(parts.slice(second)), [2, 3, 4, 5]);
  assertGrowingIds(parts);
});

test("SIGTERM: the step ends, readers are told, and the next start goes on", async (t) => {
  const { gate, thread, run } = await inTheThirdStep(t);
  const reader = reading(client.runs.joinStream(thread, run, { lastEventId: "-1" }));
  await reader.begun;
  const told = await fetch(`${server}/threads/${thread}/runs/${run}/stream`);
  const restarted = again(stop);
  await deaf();
  gate.open();
  await assert.rejects(told.text(), /terminated/); // cut, so that clients come back
  assert.equal(await restarted, "stopped with 0");
  assert.deepEqual((await client.runs.join(thread, run)).log, LOG);
  const parts = await reader.parts;
  const second = parts.findLastIndex((part) => part.event === "metadata");
  const [before, after] = [lengths(parts.slice(0, second)), lengths(parts.slice(second))];
  assert.ok(before.at(-1) >= 3, `the step in hand was not ended: ${before}`);
  assert.equal(before.at(-1), after[0]);
  assert.deepEqual([...before, ...after.slice(1)], [0, 1, 2, 3, 4, 5]);
  assertGrowingIds(parts);
});

/** How many steps each state of the stream tells of. */
function lengths(parts) {
  return data(parts, "values").map(({ log }) => log.length);
}

for (const [word, end] of Object.entries({ SIGTERM: stop, SIGKILL: kill })) {
  test(`what has ended stays after ${word}: state, history, runs, events, errors`, async () => {
    const { thread_id: thread } = await client.threads.create();
    const input = { topic: "x" };
    const live = await all(
      client.runs.stream(thread, "agent", { input, streamMode: ["values", "updates", "tasks"] }),
    );
    const failed = await client.threads.create();
    const lost = await all(client.runs.stream(failed.thread_id, "fail", { input }));
    const before = await seen(thread);
    await again(end);
    assert.deepEqual(await seen(thread), before);

    const run = before.runs[0].run_id;
    const replayed = await all(client.runs.joinStream(thread, run, { lastEventId: "-1" }));
    assert.deepEqual(replayed, live);
    for (const at of [0, 3, live.length - 1]) {
      const lastEventId = live[at].id;
      const rest = await all(client.runs.joinStream(thread, run, { lastEventId }));
      assert.deepEqual(rest, live.slice(at + 1));
    }
    const [bad] = await client.runs.list(failed.thread_id);
    assert.equal(bad.status, "error");
    const options = { lastEventId: "-1" };
    assert.deepEqual(
      await all(client.runs.joinStream(failed.thread_id, bad.run_id, options)),
      lost,
    );
    assert.equal(names(lost).at(-1), "error");
  });
}

async function seen(thread) {
  return {
    thread: await client.threads.get(thread),
    state: await client.threads.getState(thread),
    history: await client.threads.getHistory(thread),
    runs: await client.runs.list(thread),
  };
}

test("what a stateless run said is gone after a restart, which a joiner is told", async () => {
  let made;
  const onRunCreated = (run) => (made = run);
  const input = { topic: "x" };
  const live = await all(client.runs.stream(null, "agent", { input, onRunCreated }));
  const options = { lastEventId: "-1" };
  const replayed = await all(client.runs.joinStream(null, made.run_id, options));
  assert.deepEqual(pairs(replayed), pairs(live));
  await again(kill);
  await refused(all(client.runs.joinStream(null, made.run_id, options)), 404, /not found/i);
});
