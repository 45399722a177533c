export { Client } from "@langchain/langgraph-sdk";
