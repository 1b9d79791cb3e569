"""Running Python that a model wrote: what is isolated, and what is not, is in SANDBOX.md."""
