"""The daemon's room: the worker process, its wire, the takes it makes and the jobs that ask for them.

Nothing here imports torch, diffusers or transformers; only the *child* in :mod:`foleyd.daemon.worker` does,
when it is told to load a model.
"""
