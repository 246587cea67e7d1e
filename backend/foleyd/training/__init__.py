"""How the starter was made from installed packages, and how a model is judged."""
