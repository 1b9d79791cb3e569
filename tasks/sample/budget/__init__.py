"""The sampling budget: how many more draws each prompt gets, wave by wave.

A round draws in waves. Before each one `waves.plan_wave` looks at what every prompt has so far, tonight and remembered from
earlier nights, and asks for draws where they still teach something; when nothing is left to do the round is over. The plan
is a pure function of these counts, so that a wave is a cached unit like any other.
"""
