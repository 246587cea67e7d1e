"""foleyd turns words into playable sound.

Importing this package loads nothing heavy: torch, diffusers and transformers live in the worker process only.
"""

__version__ = "0.1.0"
