"""What runs of the graph are given beside their input."""

import os
from dataclasses import dataclass, field, fields
from typing import Annotated


@dataclass(kw_only=True)
class Context:
    """Whose memory it is, and how the agent talks. What is not given is read from the environment."""

    user_id: str = "somebody"
    """Whose memory is used."""
    tone: Annotated[str, {"__template_metadata__": {"kind": "text"}}] = field(default="plain", metadata={"description": "How it talks."})

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.init and getattr(self, each.name) == each.default:
                setattr(self, each.name, os.environ.get(each.name.upper(), each.default))
