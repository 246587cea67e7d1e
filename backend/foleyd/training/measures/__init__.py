"""Measures of a model for its card: each a noun of its own, a set of prompts to render and what is read off
the clips."""
