"""An agent written as a plain `StateGraph`, reviewed at a static gate in front of its writing node."""
