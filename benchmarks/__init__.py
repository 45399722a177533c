"""Measures this engine beside LangGraph and beside plain asyncio: `python -m benchmarks`."""
