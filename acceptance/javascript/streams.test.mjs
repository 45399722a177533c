// client.runs.stream: every mode, subgraphs, several modes, stateless runs, failures.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ICE_CREAM,
  JOKE,
  ONCE,
  UUID,
  all,
  assertGrowingIds,
  connect,
  data,
  names,
  pairs,
  refused,
} from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });
const REFINED = { topic: "ice cream and cats" };
const WHOLE = { ...REFINED, joke: JOKE };
const HELLO = { messages: [{ role: "user", content: "hi" }] };

/** The parts of a run, on a new thread or on none. */
async function run(graph, input, payload = {}, stateless = false) {
  const thread = stateless ? null : (await client.threads.create()).thread_id;
  return all(client.runs.stream(thread, graph, { input, ...payload }));
}

for (const stateless of [false, true]) {
  const where = stateless ? "without a thread" : "on a thread";

  test(`values, which is what comes when no mode is named, ${where}`, async () => {
    for (const payload of [{}, { streamMode: "values" }, { streamMode: [] }]) {
      const parts = await run("agent", ICE_CREAM, payload, stateless);
      assert.equal(parts[0].event, "metadata");
      assert.deepEqual(
        pairs(parts.slice(1)),
        [ICE_CREAM, REFINED, WHOLE].map((state) => ["values", state]),
      );
      assertGrowingIds(parts);
    }
  });

  test(`updates ${where}: of nodes that run at once each comes alone`, async () => {
    const parts = await run("fan", { seed: "s" }, { streamMode: "updates" }, stateless);
    const updates = data(parts, "updates");
    assert.deepEqual(updates.slice(0, 2).map(JSON.stringify).sort(), [
      '{"a":{"out":["a:s"]}}',
      '{"b":{"out":["b:s"]}}',
    ]);
    assert.deepEqual(updates[2], { join: { out: ["joined:2"] } });
  });

  test(`custom ${where}: objects, strings and numbers`, async () => {
    const parts = await run("custom", { query: "x" }, { streamMode: "custom" }, stateless);
    assert.deepEqual(data(parts, "custom"), [
      { custom_key: "Generating custom data inside node" },
      "plain string",
      42,
    ]);
  });

  test(`tasks ${where}: the start and the end of each`, async () => {
    const parts = await run("agent", ICE_CREAM, { streamMode: "tasks" }, stateless);
    const tasks = data(parts, "tasks");
    assert.deepEqual(
      tasks.map((task) => [task.name, "result" in task]),
      [
        ["refine_topic", false],
        ["refine_topic", true],
        ["generate_joke", false],
        ["generate_joke", true],
      ],
    );
    assert.equal(tasks[0].id, tasks[1].id);
    assert.deepEqual(tasks[0].triggers, ["branch:to:refine_topic"]);
    assert.deepEqual(tasks[3].result, { joke: JOKE });
  });

  test(`messages-tuple ${where}: the model's words, and where they are said`, async () => {
    const parts = await run("chat", HELLO, { streamMode: "messages-tuple" }, stateless);
    const said = data(parts, "messages");
    const words = said.map(([message]) => message.content);
    assert.equal(words.join(""), "Hello there, human friend");
    assert.ok(words.length > 4);
    for (const [message, metadata] of said) {
      assert.equal(message.type, "AIMessageChunk");
      assert.equal(message.id, said[0][0].id);
      assert.equal(metadata.langgraph_node, "call_model");
      assert.equal(metadata.langgraph_step, 1);
      assert.equal(metadata.graph_id, "chat");
      assert.equal(metadata.run_id, parts[0].data.run_id);
    }
    assertGrowingIds(parts);
  });

  test(`events ${where}: from the run's start to its end`, async () => {
    const parts = await run("chat", HELLO, { streamMode: "events" }, stateless);
    const events = data(parts, "events").map(({ event }) => event);
    assert.deepEqual([events[0], events.at(-1)], ["on_chain_start", "on_chain_end"]);
    assert.ok(events.includes("on_chat_model_start"), String(events));
    assert.ok(events.filter((event) => event === "on_chat_model_stream").length > 4);
    assert.ok(events.includes("on_chat_model_end"));
  });

  test(`a node that raises ${where}: the error comes last`, async () => {
    const parts = await run("fail", { topic: "x" }, { streamMode: "updates" }, stateless);
    assert.deepEqual(pairs(parts.slice(1)), [
      ["updates", { okn: { joke: "pre" } }],
      ["error", { error: "ValueError", message: "boom: x" }],
    ]);
  });
}

test("checkpoints: each one whole, with what comes next", async () => {
  const parts = await run("agent", ICE_CREAM, { streamMode: "checkpoints" });
  const checkpoints = data(parts, "checkpoints");
  assert.deepEqual(
    checkpoints.map(({ next }) => next),
    [["__start__"], ["refine_topic"], ["generate_joke"], []],
  );
  assert.deepEqual(checkpoints[3].values, WHOLE);
  assert.deepEqual(
    checkpoints.map(({ metadata }) => metadata.step),
    [-1, 0, 1, 2],
  );
  for (const at of [1, 2, 3]) {
    const { configurable } = checkpoints[at].parent_config;
    const parent = checkpoints[at - 1].config.configurable;
    assert.equal(configurable.checkpoint_id, parent.checkpoint_id);
  }
});

test("messages: first whose message it is, then all that it says so far", async () => {
  const parts = await run("chat", HELLO, { streamMode: "messages" });
  const kinds = names(parts);
  assert.equal(kinds[0], "messages/metadata");
  assert.deepEqual([...new Set(kinds.slice(1))], ["messages/partial"]);
  const said = data(parts, "messages/partial").map(([message]) => message.content);
  assert.equal(said.at(-1), "Hello there, human friend");
  for (let at = 1; at < said.length; at += 1) assert.ok(said[at].startsWith(said[at - 1]));
  const [id] = Object.keys(data(parts, "messages/metadata")[0]);
  assert.equal(data(parts, "messages/partial")[0][0].id, id);
});

test("messages of a node that asks no model come whole", async () => {
  const parts = await run("plain", HELLO, { streamMode: "messages" });
  const [[message]] = data(parts, "messages/complete");
  assert.deepEqual([message.content, message.type], ["static", "ai"]);
  const tuples = await run("plain", HELLO, { streamMode: "messages-tuple" });
  assert.equal(data(tuples, "messages")[0][0].content, "static");
});

test("several modes, as a chat's page asks for them: one order, each under its name", async () => {
  const streamMode = ["values", "updates", "custom", "tasks"];
  const parts = await run("custom", { query: "x" }, { streamMode });
  assert.deepEqual(names(parts), [
    "values",
    "tasks",
    "custom",
    "custom",
    "custom",
    "updates",
    "tasks",
    "values",
  ]);
  assertGrowingIds(parts);
  const chat = await run("chat", HELLO, {
    streamMode: ["values", "messages-tuple", "updates", "custom"],
    streamSubgraphs: true,
    streamResumable: true,
    onDisconnect: "continue",
  });
  assert.deepEqual([...new Set(names(chat))].sort(), ["messages", "updates", "values"]);
});

test("subgraphs in every mode that has them; without, only the outer graph", async () => {
  const streamMode = ["values", "updates", "tasks"];
  const parts = await run("sub", { foo: "foo" }, { streamMode, streamSubgraphs: true });
  const inner = names(parts).filter((name) => name.includes("|"));
  const ns = inner[0].split("|")[1];
  assert.match(ns, /^node_2:[0-9a-f-]{36}$/);
  assert.deepEqual([...new Set(inner)].sort(), [
    `tasks|${ns}`,
    `updates|${ns}`,
    `values|${ns}`,
  ]);
  assert.deepEqual(data(parts, `updates|${ns}`), [
    { subgraph_node_1: { bar: "bar" } },
    { subgraph_node_2: { foo: "hi! foobar" } },
  ]);
  const outer = await run("sub", { foo: "foo" }, { streamMode });
  assert.ok(names(outer).every((name) => !name.includes("|")));
});

test("onRunCreated tells the run, with its thread if it has one", async () => {
  const { thread_id } = await client.threads.create();
  for (const thread of [thread_id, null]) {
    let made;
    const onRunCreated = (run) => (made = run);
    const [metadata] = await all(
      client.runs.stream(thread, "agent", { input: ICE_CREAM, onRunCreated }),
    );
    assert.match(made.run_id, UUID);
    assert.equal(made.run_id, metadata.data.run_id);
    assert.equal(made.thread_id, thread ?? undefined);
  }
});

test("recursion limit, context, config and metadata reach the run", async () => {
  const parts = await run("agent", ICE_CREAM, {
    config: { recursion_limit: 1, tags: ["t"] },
    metadata: { why: "test" },
  });
  assert.equal(parts.at(-1).event, "error");
  assert.equal(parts.at(-1).data.error, "GraphRecursionError");
});

test("what cannot be is refused before anything runs, and says why", async () => {
  const { thread_id } = await client.threads.create();
  const start = (assistant, payload) => all(client.runs.stream(thread_id, assistant, payload));
  await refused(start("nobody", { input: {} }), 422, /agent, sub, custom/);
  await refused(start("agent", { input: {}, streamMode: "loud" }), 422, /loud/);
  await refused(start(thread_id, { input: {} }), 404, /not found/i);
  assert.deepEqual(await client.runs.list(thread_id), []);
});

test("words beyond ASCII and line breaks arrive as they left", async () => {
  const topic = "crème brûlée 🍨\nline \u2028 two\r\n\"quoted\"";
  const parts = await run("agent", { topic }, { streamMode: "values" });
  assert.equal(data(parts, "values")[0].topic, topic);
});

test("heartbeats between events give the client nothing to see", async () => {
  const input = { delay: 0.25, log: [] }; // the server says every 0.2 s that it is there
  const parts = await run("slow", input, { streamMode: "custom" });
  assert.deepEqual(
    pairs(parts.slice(1)),
    [1, 2, 3, 4, 5].map((step) => ["custom", { step }]),
  );
});
