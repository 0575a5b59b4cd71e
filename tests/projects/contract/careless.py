"""An agent that gates a tool and allows no decision on it."""

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from script import model
from tools import ALL

agent = create_agent(model, ALL, middleware=[HumanInTheLoopMiddleware(interrupt_on={"send": {"allowed_decisions": []}})])
