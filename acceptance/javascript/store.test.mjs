// client.store: items under namespaces.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { ONCE, TIME, connect } from "./lib/client.mjs";

const client = connect({ callerOptions: ONCE });

test("put, get, put again, delete", async () => {
  const namespace = ["users", randomUUID()];
  assert.equal(await client.store.putItem(namespace, "k", { v: 1 }), undefined);
  const item = await client.store.getItem(namespace, "k");
  assert.deepEqual([item.namespace, item.key, item.value], [namespace, "k", { v: 1 }]);
  assert.match(item.createdAt, TIME);
  await client.store.putItem(namespace, "k", { v: 2 });
  assert.deepEqual((await client.store.getItem(namespace, "k")).value, { v: 2 });
  assert.equal(await client.store.deleteItem(namespace, "k"), undefined);
  assert.equal(await client.store.getItem(namespace, "k"), null);
});

test("search below a prefix, with a filter, in pages", async () => {
  const root = randomUUID();
  for (const [key, size] of Object.entries({ a: 1, b: 2, c: 3 })) {
    await client.store.putItem([root, "things"], key, { size, kind: size > 1 ? "big" : "small" });
  }
  const keys = async (options) => {
    const { items } = await client.store.searchItems([root], options);
    return items.map(({ key }) => key).sort();
  };
  assert.deepEqual(await keys(), ["a", "b", "c"]);
  assert.deepEqual(await keys({ filter: { kind: "big" } }), ["b", "c"]);
  assert.deepEqual((await keys({ limit: 2 })).length, 2);
  assert.deepEqual((await keys({ limit: 2, offset: 2 })).length, 1);
});

test("namespaces are listed by prefix, to a depth", async () => {
  const root = randomUUID();
  for (const path of [["x"], ["y", "deep"], ["y", "wide"]]) {
    await client.store.putItem([root, ...path], "k", {});
  }
  const list = async (options) =>
    (await client.store.listNamespaces({ prefix: [root], ...options })).namespaces
      .map((namespace) => namespace.slice(1).join("/"))
      .sort();
  assert.deepEqual(await list(), ["x", "y/deep", "y/wide"]);
  assert.deepEqual(await list({ maxDepth: 2 }), ["x", "y"]);
  assert.deepEqual(await list({ suffix: ["deep"] }), ["y/deep"]);
});
