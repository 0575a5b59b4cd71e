from kinds import graph_by

from .words import NAME

graph = graph_by(NAME).compile()
