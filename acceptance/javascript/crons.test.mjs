// client.crons: runs that start by the clock.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ONCE, UUID, connect, refused, sendsTimezones } from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });
const YEARLY = "0 0 1 1 *";
const AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca";

test("create, search, count, update, delete", async () => {
  const payload = { schedule: YEARLY, input: { topic: "x" }, metadata: { why: "test" } };
  const made = await client.crons.create("agent", payload);
  assert.match(made.cron_id, UUID);
  const id = made.cron_id;
  const find = async (query) => {
    const found = await client.crons.search({ limit: 100, ...query });
    return found.find(({ cron_id }) => cron_id === id);
  };
  const found = await find({ assistantId: AGENT });
  assert.equal(found.schedule, YEARLY);
  assert.match(found.next_run_date, /-01-01T00:00:00/);
  const count = await client.crons.count({ assistantId: AGENT });
  assert.ok(count >= 1);
  const changed = await client.crons.update(id, { schedule: "0 0 2 1 *", enabled: false });
  assert.deepEqual([changed.schedule, changed.enabled], ["0 0 2 1 *", false]);
  assert.equal(await find({ enabled: true }), undefined);
  await client.crons.delete(id);
  assert.equal(await find(), undefined);
});

test("a thread's own cron goes with the thread", async () => {
  const { thread_id } = await client.threads.create();
  const payload = { schedule: YEARLY, input: { topic: "x" } };
  const made = await client.crons.createForThread(thread_id, "agent", payload);
  assert.equal(made.thread_id, thread_id);
  const [found] = await client.crons.search({ threadId: thread_id });
  assert.equal(found.cron_id, made.cron_id);
  await client.threads.delete(thread_id);
  assert.deepEqual(await client.crons.search({ threadId: thread_id }), []);
});

test("a schedule that is none is refused", async () => {
  await refused(client.crons.create("agent", { schedule: "whenever" }), 422, /whenever/);
  if (sendsTimezones) {
    const payload = { schedule: YEARLY, timezone: "Mars/Olympus" };
    await refused(client.crons.create("agent", payload), 422, /Mars/);
  }
});
