"""The offline chat model: what the sample agents use when no real model is configured."""
