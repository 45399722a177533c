"""The server that stands for a model's service, and the official clients for it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from .server import ModelServer


@pytest.fixture(scope="session")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="none", base_url=server.url, max_retries=0) as opened:
        yield opened


@pytest.fixture
def sync_client(server: ModelServer) -> Iterator[OpenAI]:
    with OpenAI(api_key="none", base_url=server.url, max_retries=0) as opened:
        yield opened


@pytest.fixture
async def chat(server: ModelServer) -> AsyncIterator[Any]:
    """Makes models of LangChain's for the server, whose connections are closed in the end."""
    with DefaultHttpxClient() as http:
        async with DefaultAsyncHttpxClient() as ahttp:
            known = {"api_key": "none", "base_url": server.url, "max_retries": 0}
            clients = {"http_client": http, "http_async_client": ahttp}
            yield lambda name, **options: ChatOpenAI(model=name, **known, **clients, **options)
