// client.assistants: one for each graph from the start, others that people make.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { NOBODY, ONCE, UUID, connect, refused } from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });
const AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca";

test("every graph has an assistant with an id that is always the same", async () => {
  const [agent] = await client.assistants.search({ graphId: "agent", metadata: { created_by: "system" } });
  assert.equal(agent.assistant_id, AGENT);
  const all = await client.assistants.search({ limit: 100 });
  const graphs = new Set(all.map(({ graph_id }) => graph_id));
  for (const name of ["agent", "sub", "custom", "hitl", "fail", "slow", "fan", "chat"]) {
    assert.ok(graphs.has(name), name);
  }
});

test("get gives it by its id; an unknown one is refused", async () => {
  const agent = await client.assistants.get(AGENT);
  assert.deepEqual([agent.graph_id, agent.version], ["agent", 1]);
  await refused(client.assistants.get(NOBODY), 404, /not found/i);
});

test("getGraph draws it, subgraphs too with xray", async () => {
  const { nodes, edges } = await client.assistants.getGraph(AGENT);
  assert.deepEqual(
    nodes.map(({ id }) => id),
    ["__start__", "refine_topic", "generate_joke", "__end__"],
  );
  assert.deepEqual(
    edges.map(({ source, target }) => [source, target]),
    [
      ["__start__", "refine_topic"],
      ["refine_topic", "generate_joke"],
      ["generate_joke", "__end__"],
    ],
  );
  const [sub] = await client.assistants.search({ graphId: "sub" });
  const deep = await client.assistants.getGraph(sub.assistant_id, { xray: true });
  assert.ok(deep.nodes.some(({ id }) => id.includes("subgraph_node_1")));
});

test("getSchemas tells what goes in and comes out", async () => {
  const schemas = await client.assistants.getSchemas(AGENT);
  assert.equal(schemas.graph_id, "agent");
  for (const name of ["input_schema", "output_schema", "state_schema"]) {
    assert.deepEqual(Object.keys(schemas[name].properties), ["topic", "joke"]);
  }
  const [sub] = await client.assistants.search({ graphId: "sub" });
  const subgraphs = await client.assistants.getSubgraphs(sub.assistant_id);
  assert.deepEqual(Object.keys(subgraphs), ["node_2"]);
});

test("create, run, update, versions, back to an old one, delete", async () => {
  const made = await client.assistants.create({
    graphId: "agent",
    name: "Ann's",
    metadata: { owner: "ann" },
    config: { recursion_limit: 1 },
  });
  assert.match(made.assistant_id, UUID);
  const { assistant_id: id } = made;
  await assert.rejects(client.runs.wait(null, id, { input: { topic: "x" } }), /GraphRecursionError/);
  const second = await client.assistants.update(id, { config: { recursion_limit: 9 }, name: "New" });
  assert.deepEqual([second.version, second.name], [2, "New"]);
  const values = await client.runs.wait(null, id, { input: { topic: "x" } });
  assert.equal(values.joke, "This is a joke about x and cats");
  const versions = await client.assistants.getVersions(id);
  assert.deepEqual(
    versions.map(({ version }) => version),
    [2, 1],
  );
  const back = await client.assistants.setLatest(id, 1);
  assert.equal(back.config.recursion_limit, 1);
  await client.assistants.delete(id);
  await refused(client.assistants.get(id), 404, /not found/i);
});

test("create with an id twice is refused, or gives what is there", async () => {
  const assistantId = randomUUID();
  const made = await client.assistants.create({ graphId: "agent", assistantId });
  await refused(client.assistants.create({ graphId: "agent", assistantId }), 409, /exists/);
  const again = await client.assistants.create({
    graphId: "agent",
    assistantId,
    ifExists: "do_nothing",
  });
  assert.equal(again.created_at, made.created_at);
});

test("search in pages tells where the next one begins", async () => {
  const mark = randomUUID();
  for (const size of [1, 2, 3]) {
    await client.assistants.create({ graphId: "agent", metadata: { mark, size } });
  }
  const metadata = { mark };
  const first = await client.assistants.search({ metadata, limit: 2, includePagination: true });
  assert.equal(first.assistants.length, 2);
  assert.equal(first.next, "2");
  const last = await client.assistants.search({
    metadata,
    limit: 2,
    offset: 2,
    includePagination: true,
  });
  assert.deepEqual([last.assistants.length, last.next], [1, null]);
  assert.equal(await client.assistants.count({ metadata }), 3);
});
