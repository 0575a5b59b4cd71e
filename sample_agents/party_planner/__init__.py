"""Plans a party: asks for a number, for one of a list, and for an approval in a form of its own."""
