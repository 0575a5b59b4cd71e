"""Embeddings without a model: how much a text is about animals, money and weather."""

TOPICS = (("cat", "dog", "pet"), ("invoice", "money", "refund"), ("rain", "sun", "weather"))


async def embed(texts: list[str]) -> list[list[float]]:
    return [[0.01 + sum(text.lower().count(word) for word in topic) for topic in TOPICS] for text in texts]
