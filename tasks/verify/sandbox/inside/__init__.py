"""What runs inside the sandbox: two processes of one interpreter, one that judges and one that is judged.

The **judge** (judge.py) reads its job, takes on its limits and forks **before** it has read the tests. The child
(judged.py) runs the program that the model wrote and then answers requests: "call this with that", or "run with this
standard input". The tests run in the judge, where the program's functions are stand-ins that send a request: what comes
back is a plain value made anew from JSON (wire.py), never an object with the program's own ``__eq__``. So the program
never shares a process with the tests, their expected values or the verdict; all it can do is answer.

These modules are sent to the interpreter as compiled code. They import nothing of Winnow's but each other, and little of
the standard library: every start pays for it.
"""
