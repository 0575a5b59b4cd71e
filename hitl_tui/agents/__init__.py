"""The only LangGraph: loading people's projects, running their graphs, and turning pauses into reviews and back."""
