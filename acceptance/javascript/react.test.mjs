// Pages in React: the client's own hook, `useStream`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ICE_CREAM, JOKE, connect } from "./lib/client.mjs";
import { open, storage } from "./lib/screen.mjs";

const SAID = "Hello there, human friend";
const hello = { messages: [{ type: "human", content: "hi", id: "1" }] };
const texts = (messages) => messages.map(({ content }) => content);

test("the words of a model appear one after another, and stay when it has ended", async () => {
  const page = open({ assistantId: "chat" });
  const { messages, error } = await page.submits(hello);
  assert.equal(error, undefined);
  assert.deepEqual(texts(messages), ["hi", SAID]);
  const shown = page.seen.map(({ messages }) => messages[1]?.content).filter(Boolean);
  assert.ok(new Set(shown).size > 2, `only ${JSON.stringify(shown)}`);
  for (const text of shown) assert.ok(SAID.startsWith(text), text);
});

test("a conversation goes on, and is there when the page is opened again", async () => {
  let threadId;
  const options = { assistantId: "turns", fetchStateHistory: true };
  const page = open({ ...options, onThreadId: (id) => (threadId = id) });
  await page.submits(hello);
  await page.submits({ messages: [{ type: "human", content: "again", id: "2" }] });
  const whole = ["hi", SAID, "again", SAID];
  assert.deepEqual(texts(page.now().messages), whole);
  const again = open({ ...options, threadId });
  const { messages } = await again.until(({ isThreadLoading }) => !isThreadLoading);
  assert.deepEqual(texts(messages), whole);
});

test("a message that is said otherwise makes a branch, and the first one is kept", async () => {
  const page = open({ assistantId: "turns", fetchStateHistory: true });
  await page.submits(hello);
  const said = page.now().messages[0];
  const { firstSeenState } = page.now().getMessagesMetadata(said);
  const other = { messages: [{ type: "human", content: "good day", id: "2" }] };
  await page.submits(other, { checkpoint: firstSeenState.parent_checkpoint });
  assert.deepEqual(texts(page.now().messages), ["good day", SAID]);
  const { branchOptions, branch } = page.now().getMessagesMetadata(page.now().messages[0]);
  assert.equal(branchOptions.length, 2);
  const first = branchOptions.find((option) => option !== branch);
  page.now().setBranch(first);
  const { messages } = await page.until((stream) => stream.branch === first);
  assert.deepEqual(texts(messages), ["hi", SAID]);
});

test("what a person is asked is shown, and the answer is taken", async () => {
  const page = open({ assistantId: "hitl", fetchStateHistory: true });
  const { interrupt } = await page.submits({ text: "a" });
  assert.deepEqual(interrupt.value, { question: "ok?", text: "a!" });
  const { values, interrupts } = await page.submits(undefined, { command: { resume: "yes" } });
  assert.deepEqual(values, { text: "a! done", approved: "yes" });
  assert.deepEqual(interrupts, []);
});

test("an error is shown", async () => {
  const page = open({ assistantId: "fail" });
  const { error } = await page.submits(ICE_CREAM);
  assert.match(String(error.message ?? error), /boom/);
});

test("updates and custom data come with their names", async () => {
  const told = [];
  const page = open({
    assistantId: "custom",
    onUpdateEvent: (data) => told.push(["updates", Object.keys(data)[0]]),
    onCustomEvent: (data) => told.push(["custom", data]),
  });
  await page.submits({ query: "x" });
  assert.deepEqual(told.at(-1), ["updates", "node"]);
  assert.equal(told[0][0], "custom");
});

test("a page that is loaded anew in the middle of a run joins it", async () => {
  const kept = storage();
  const client = connect();
  const { thread_id: threadId } = await client.threads.create();
  const options = { assistantId: "slow", threadId, reconnectOnMount: () => kept };
  const first = open(options);
  await first.until(({ isThreadLoading }) => !isThreadLoading);
  first.now().submit({ log: [], delay: 0.05 });
  await first.until(({ values }) => values.log?.length === 1);
  first.close();
  const second = open(options);
  const { values } = await second.until(
    ({ isLoading, values }) => !isLoading && values.log?.length === 5,
  );
  assert.equal(values.log.length, 5);
  assert.deepEqual(await client.runs.list(threadId).then((runs) => runs.length), 1);
});

test("a run that is stopped shows what it had said, and the thread can go on", async () => {
  const page = open({ assistantId: "slow", fetchStateHistory: true });
  page.now().submit({ log: [], delay: 0.2 });
  await page.until(({ values }) => values.log?.length === 1);
  await page.now().stop();
  const { values } = await page.until((stream) => !stream.isLoading && !stream.isThreadLoading);
  assert.ok(values.log.length >= 1);
  const joke = open({ assistantId: "agent" });
  const after = await joke.submits(ICE_CREAM);
  assert.equal(after.values.joke, JOKE);
});
