"""The plugins: one folder a capability. Plain functions, and one ``task.py`` each that wraps them for Prefect."""
