"""`python -m agent_server`, the same as `understudy`."""

from agent_server.cli import main

if __name__ == "__main__":
    main()
