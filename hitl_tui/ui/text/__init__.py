"""Text for the screen: labels, lines, differences, charts. No widgets."""
