"""An agent built by `create_agent`, reviewed by LangChain's `HumanInTheLoopMiddleware`."""
