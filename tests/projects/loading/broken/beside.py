from asks_nobody import graph

__all__ = ["graph"]
