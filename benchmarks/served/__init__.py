"""The server beside LangGraph's own: both as processes, and a client that costs next to nothing."""
