"""The scripted chat model the sample agents run on when no model is configured."""
