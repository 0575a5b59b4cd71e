"""How notes are compared."""


def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, 0.0] if "tea" in text else [0.0, 1.0] for text in texts]
