// The JavaScript examples of the streaming guide, in the guide's own shape. Its placeholders
// (the server's address, `input`) are filled in, and what it prints is looked at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { UUID, all, listening, pairs, server } from "./lib/client.mjs";
import { Gate } from "./lib/gate.mjs";

const { Client } = await import(process.env.SDK);
const client = new Client({ apiUrl: server });

const ICE_CREAM = { topic: "ice cream" };
const REFINED = { topic: "ice cream and cats" };
const JOKE = { joke: "This is a joke about ice cream and cats" };

/** What an example prints with console.log. */
async function printed(stream, line) {
  const lines = [];
  for await (const chunk of stream) lines.push(line(chunk));
  return lines;
}

async function newThread() {
  const thread = await client.threads.create();
  return thread["thread_id"];
}

test("basic usage: a client with a key, a thread, a run that streams updates", async () => {
  const client = new Client({ apiUrl: server, apiKey: "a-key" });

  // Using the graph deployed with the name "agent"
  const assistantID = "agent";

  // create a thread
  const thread = await client.threads.create();
  const threadID = thread["thread_id"];

  // create a streaming run
  const streamResponse = client.runs.stream(threadID, assistantID, {
    input: ICE_CREAM,
    streamMode: "updates",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  const [metadata, ...updates] = lines;
  assert.match(metadata.run_id, UUID);
  assert.equal(metadata.attempt, 1);
  assert.deepEqual(updates, [{ refine_topic: REFINED }, { generate_joke: JOKE }]);
});

test("extended example: exactly the output that the guide prints", async () => {
  const threadID = await newThread();
  const streamResponse = client.runs.stream(threadID, "agent", {
    input: { topic: "ice cream" },
    streamMode: "updates",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(lines, [
    { run_id: lines[0].run_id, attempt: 1 },
    { refine_topic: { topic: "ice cream and cats" } },
    { generate_joke: { joke: "This is a joke about ice cream and cats" } },
  ]);
});

test("several modes at once: each chunk names its mode", async () => {
  const streamResponse = client.runs.stream(await newThread(), "custom", {
    input: { query: "example" },
    streamMode: ["updates", "custom"],
  });
  const lines = await printed(streamResponse, (chunk) => [chunk.event, chunk.data]);
  assert.deepEqual(lines.slice(1), [
    ["custom", { custom_key: "Generating custom data inside node" }],
    ["custom", "plain string"],
    ["custom", 42],
    ["updates", { node: { answer: "some data" } }],
  ]);
});

test("mode updates: the node's name and what it changed", async () => {
  const streamResponse = client.runs.stream(await newThread(), "agent", {
    input: { topic: "ice cream" },
    streamMode: "updates",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(lines.slice(1), [{ refine_topic: REFINED }, { generate_joke: JOKE }]);
});

test("mode values: the whole state after each step", async () => {
  const streamResponse = client.runs.stream(await newThread(), "agent", {
    input: { topic: "ice cream" },
    streamMode: "values",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(lines.slice(1), [ICE_CREAM, REFINED, { ...REFINED, ...JOKE }]);
});

test("subgraphs: chunks of the graph inside tell where they come from", async () => {
  const streamResponse = client.runs.stream(await newThread(), "sub", {
    input: { foo: "foo" },
    streamSubgraphs: true,
    streamMode: "updates",
  });
  const [, ...lines] = await printed(streamResponse, (chunk) => [chunk.event, chunk.data]);
  assert.deepEqual(
    lines.map(([, update]) => update),
    [
      { node_1: { foo: "hi! foo" } },
      { subgraph_node_1: { bar: "bar" } },
      { subgraph_node_2: { foo: "hi! foobar" } },
      { node_2: { foo: "hi! foobar" } },
    ],
  );
  const [first, inner, same, last] = lines.map(([event]) => event);
  assert.deepEqual([first, last], ["updates", "updates"]);
  assert.match(inner, /^updates\|node_2:[0-9a-f-]{36}$/);
  assert.equal(same, inner);
});

test("mode debug: every checkpoint, task and result", async () => {
  const streamResponse = client.runs.stream(await newThread(), "agent", {
    input: { topic: "ice cream" },
    streamMode: "debug",
  });
  const [, ...lines] = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(
    lines.map(({ type, step }) => [type, step]),
    [
      ["checkpoint", -1],
      ["checkpoint", 0],
      ["task", 1],
      ["task_result", 1],
      ["checkpoint", 1],
      ["task", 2],
      ["task_result", 2],
      ["checkpoint", 2],
    ],
  );
  assert.deepEqual(lines.at(-1).payload.values, { ...REFINED, ...JOKE });
  assert.equal(lines[2].payload.name, "refine_topic");
});

test("mode messages-tuple: a model's words one by one", async () => {
  const streamResponse = client.runs.stream(await newThread(), "chat", {
    input: { messages: [{ role: "user", content: "Tell me a joke about ice cream" }] },
    streamMode: "messages-tuple",
  });
  const words = [];
  for await (const chunk of streamResponse) {
    if (chunk.event !== "messages") {
      continue;
    }
    words.push(chunk.data[0]["content"]);
    assert.equal(chunk.data[1]["langgraph_node"], "call_model");
  }
  assert.ok(words.length >= 5, String(words));
  assert.equal(words.join(""), "Hello there, human friend");
});

test("mode custom: what the node wrote, as it wrote it", async () => {
  const streamResponse = client.runs.stream(await newThread(), "custom", {
    input: { query: "example" },
    streamMode: "custom",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(lines.slice(1), [
    { custom_key: "Generating custom data inside node" },
    "plain string",
    42,
  ]);
});

test("mode events: everything that starts, streams and ends", async () => {
  const streamResponse = client.runs.stream(await newThread(), "agent", {
    input: { topic: "ice cream" },
    streamMode: "events",
  });
  const [, ...lines] = await printed(streamResponse, (chunk) => chunk.data);
  assert.equal(lines[0].event, "on_chain_start");
  assert.equal(lines.at(-1).event, "on_chain_end");
  assert.deepEqual(lines.at(-1).data.output, { ...REFINED, ...JOKE });
  const started = lines.filter(({ event }) => event === "on_chain_start");
  assert.deepEqual(
    started.slice(1).map(({ name }) => name),
    ["refine_topic", "generate_joke"],
  );
  const keys = ["event", "data", "name", "tags", "run_id", "metadata", "parent_ids"];
  for (const line of lines) assert.deepEqual(Object.keys(line).sort(), [...keys].sort());
});

test("a stateless run: null in place of the thread", async () => {
  const client = new Client({ apiUrl: server, apiKey: "a-key" });

  // create a streaming run
  const streamResponse = client.runs.stream(null, "agent", {
    input: ICE_CREAM,
    streamMode: "updates",
  });
  const lines = await printed(streamResponse, (chunk) => chunk.data);
  assert.deepEqual(lines.slice(1), [{ refine_topic: REFINED }, { generate_joke: JOKE }]);
});

test("join and stream: what was said before is not received", async (t) => {
  const gate = await Gate.stand(t);
  const threadID = await newThread();
  const run = await client.runs.create(threadID, "slow", {
    input: gate.input,
    streamMode: "custom",
  });
  assert.equal(await gate.arrival(), "step1");
  gate.letOn();
  assert.equal(await gate.arrival(), "step2");
  const { client: joiner, answered } = listening();
  const streamResponse = joiner.runs.joinStream(threadID, run["run_id"]);
  const lines = all(streamResponse);
  await answered;
  gate.open();
  assert.deepEqual(pairs(await lines), [
    ["custom", { step: 3 }],
    ["custom", { step: 4 }],
    ["custom", { step: 5 }],
  ]);
});
