"""The takeover screen: a person sees a whole run and acts as its agent."""
