// Connections that are cut in the middle: the clients come back by themselves, and see each event
// once. They wait a second or more before they do, so these tests run side by side.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { all, assertGrowingIds, connect, data, pairs, server } from "./lib/client.mjs";
import { CuttingProxy } from "./lib/proxy.mjs";

const direct = connect();
const NUMBERS = Array.from({ length: 300 }, (_, n) => ({ n }));

describe("cut connections", { concurrency: true }, () => {
  for (const lengths of [[1_200], [2_345, 4_567], [9_000, 700]]) {
    const where = lengths.join(" and ");

    test(`a run on a thread, cut after ${where} bytes`, async (t) => {
      const { proxy, client, requests } = await behind(t, lengths);
      const { thread_id: thread } = await direct.threads.create();
      const input = { count: 300 };
      const payload = { input, streamMode: ["custom", "values"] };
      const parts = await all(client.runs.stream(thread, "burst", payload));
      await exactlyOnce(parts, thread, proxy, lengths);
      const path = `GET /threads/${thread}/runs/${parts[0].data.run_id}/stream`;
      const again = requests.filter((request) => request.startsWith(path));
      assert.equal(again.length, lengths.length);
    });

    test(`a run without a thread, cut after ${where} bytes`, async (t) => {
      const { proxy, client } = await behind(t, lengths);
      const payload = { input: { count: 300 }, streamMode: "custom" };
      const parts = await all(client.runs.stream(null, "burst", payload));
      await exactlyOnce(parts, null, proxy, lengths);
    });
  }

  test("a joined run with modes of its own, cut twice", async (t) => {
    const lengths = [1_500, 2_500];
    const { proxy, client } = await behind(t, lengths);
    const { thread_id: thread } = await direct.threads.create();
    const payload = { input: { count: 300 }, streamMode: "values" };
    const { run_id: run } = await direct.runs.create(thread, "burst", payload);
    await direct.runs.join(thread, run);
    const options = { lastEventId: "-1", streamMode: ["custom", "updates"] };
    const whole = await all(direct.runs.joinStream(thread, run, options));
    assert.deepEqual(data(whole, "custom"), NUMBERS);
    const parts = await all(client.runs.joinStream(thread, run, options));
    assert.deepEqual(parts, whole);
    assert.equal(proxy.cuts, 2);
  });

  test("a run that fails, cut before it says so", async (t) => {
    const { proxy, client } = await behind(t, [700]);
    const { thread_id: thread } = await direct.threads.create();
    const payload = { input: { topic: "x".repeat(400) }, streamMode: ["updates", "values"] };
    const parts = await all(client.runs.stream(thread, "fail", payload));
    assert.equal(proxy.cuts, 1);
    assert.equal(parts.at(-1).event, "error");
    const options = { lastEventId: "-1" };
    const whole = await all(direct.runs.joinStream(thread, parts[0].data.run_id, options));
    assert.deepEqual(pairs(parts), pairs(whole));
  });
});

async function behind(t, lengths) {
  const proxy = await CuttingProxy.stand(t, server, lengths);
  const requests = [];
  return { proxy, requests, client: connect({ url: proxy.url, requests }) };
}

/** The parts are the run's, each once and in order, though the connection was cut. */
async function exactlyOnce(parts, thread, proxy, lengths) {
  assert.equal(proxy.cuts, lengths.length);
  assert.deepEqual(data(parts, "custom"), NUMBERS);
  assertGrowingIds(parts);
  const options = { lastEventId: "-1" };
  const whole = await all(direct.runs.joinStream(thread, parts[0].data.run_id, options));
  assert.deepEqual(parts, whole);
}
