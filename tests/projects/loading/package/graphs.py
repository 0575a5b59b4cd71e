from kinds import graph_by

from package import graphs as myself

assert myself.__name__ == __name__
graph = graph_by("package").compile()
