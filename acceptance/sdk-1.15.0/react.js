export { useStream } from "@langchain/langgraph-sdk/react";
export { createElement } from "react";
export { create } from "react-test-renderer";
