"""Prefect Blocks: where things are, and who may reach them."""
