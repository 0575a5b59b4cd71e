from kinds import graph_by

graph = graph_by("named as a standard module").compile()
