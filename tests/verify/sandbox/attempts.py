"""Programs that try to get out of the sandbox, or to pass tests they cannot pass.

Each defines ``attempt()``. The tests ask whether it returns "escaped", so an attempt that gets what it is after would be
accepted. `{…}` names what the test file lays out as bait.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """A program, the state it must end in, and a word its reason must hold: that it was stopped by what should stop it."""

    program: str
    state: str
    reason: str


def _tries(body: str, reason: str, state: str = "rejected") -> Attempt:
    lines = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    imports = "import ctypes, gc, os, resource, signal, socket, sys, threading, time"
    return Attempt(f"{imports}\ndef attempt():\n{lines}\n", state, reason)


_CALL = """
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall({number}, {arguments})
if result >= 0:
    return "escaped"
raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""


def _call(x86_64: int, aarch64: int, arguments: str, reason: str = "Operation not permitted") -> Attempt:
    number = f"{x86_64} if os.uname().machine == 'x86_64' else {aarch64}"
    return _tries(_CALL.format(number=number, arguments=arguments), reason)


EXHAUST = {
    "fork bomb": _tries(
        """
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
        "took over",
        "timed_out",
    ),
    "memory bomb, one process": _tries("x = [bytearray(1 << 20) for _ in range(100_000)]\nreturn 'escaped'", "MemoryError"),
    "memory bomb, many processes": _tries(
        """
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(b"x") * (60 << 20)
        time.sleep(60)
time.sleep(60)
""",
        "MB of memory",
    ),
    "endless output": _tries("while True: print('x' * 1000)", "kB of output"),
    "endless output on descriptor 2": _tries("while True: os.write(2, b'x' * 1000)", "kB of output"),
    "scratch filled with one file": _tries(
        "with open('big', 'wb') as file:\n    while True: file.write(bytes(1 << 20))", "File too large"
    ),
    "scratch filled with files": _tries(
        "for n in range(100):\n    with open(str(n), 'wb') as file: file.write(bytes(1 << 20))\nreturn 'escaped'", "No space"
    ),
    "scratch filled with empty files": _tries("n = 0\nwhile True:\n    n += 1\n    os.mkdir(str(n))", "over 4096 files"),
    "threads without end": _tries(
        "for _ in range(1000): threading.Thread(target=time.sleep, args=(60,)).start()\nreturn 'escaped'", "start new thread"
    ),
    "open files without end": _tries("x = [open('/dev/null') for _ in range(1000)]\nreturn 'escaped'", "Too many open files"),
    "limits raised": _tries(
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\nreturn 'escaped'", "not allowed to raise maximum limit"
    ),
    "recursion without end": _tries(
        "sys.setrecursionlimit(10 ** 9)\nx = []\nfor _ in range(10 ** 5): x = [x]\nreturn repr(x)", "ended before it answered"
    ),
    "segmentation fault": _tries("return ctypes.string_at(0)", "ended before it answered (signal 11)"),
}
READ = {
    "home folder": _tries("return open('{bait}').read()", "FileNotFoundError"),
    "project": _tries("return open('{project}').read()", "FileNotFoundError"),
    "passwords": _tries("return open('/etc/passwd').read()", "FileNotFoundError"),
    "symbolic link": _tries("os.symlink('{bait}', 'link')\nreturn open('link').read()", "FileNotFoundError"),
    "hard link": _tries("os.link('{bait}', 'link')\nreturn open('link').read()", "FileNotFoundError"),
    "climbing out": _tries("os.chdir('../../../..')\nreturn open('.' + '{bait}').read()", "FileNotFoundError"),
    "environment": _tries("return 'escaped' if 'BAIT' in os.environ else str(sorted(os.environ))", "assert attempt()"),
    "environment of process 1": _tries("return open('/proc/1/environ').read()", "FileNotFoundError"),
    "memory of the judge": _tries("return open(f'/proc/{{os.getppid()}}/mem', 'rb').read()", "FileNotFoundError"),
    "installed packages": _tries("sys.path += {packages}\nimport psutil\nreturn 'escaped'", "No module named"),
    "a shell": _tries("os.execv('/bin/sh', ['sh', '-c', 'cat {bait}'])", "FileNotFoundError"),
    "the disk": _tries("os.mknod('disk', 0o60666, os.makedev(254, 0))\nreturn open('disk', 'rb').read(9)", "not permitted"),
}
WRITE = {
    "the root": _tries("open('/file', 'w').write('x')\nreturn 'escaped'", "Error"),
    "the standard library": _tries("open(os.__file__, 'a').write('x')\nreturn 'escaped'", "rror"),
    "the home folder": _tries("os.makedirs('{folder}/x')\nreturn 'escaped'", "Error"),
    "shared memory": _tries("open('/dev/shm/x', 'w').write('x')\nreturn 'escaped'", "FileNotFoundError"),
}
REACH = {
    "internet socket": _tries("socket.create_connection(('127.0.0.1', {port}), 1)\nreturn 'escaped'", "not permitted"),
    "name look-up": _tries("socket.getaddrinfo('localhost', 80)\nreturn 'escaped'", "rror"),
    "abstract unix socket": _tries(
        "s = socket.socket(socket.AF_UNIX)\ns.connect('\\0{unix}')\nreturn 'escaped'", "PermissionError"
    ),
    "a process outside": _tries("os.kill({victim}, 9)\nreturn 'escaped'", "ProcessLookupError"),
    "the parent": _tries("os.kill(os.getppid(), 9)\ntime.sleep(60)", "ended the process that runs its tests"),
    "the parent, stopped": _tries("os.kill(os.getppid(), signal.SIGSTOP)\nreturn 'escaped'", "took over", "timed_out"),
    "process 1": _tries("os.kill(1, 9)\nreturn 'alive'", "rror"),
    "every process": _tries("os.kill(-1, 9)\nreturn 'escaped'", "ended the process"),
    "root": _tries("os.setuid(0)\nreturn 'escaped'", "rror"),
    "terminal": _tries("return open('/dev/tty').read()", "rror"),
    "ptrace": _call(101, 117, "16, os.getppid(), 0, 0"),
    "another's memory": _call(310, 270, "os.getppid(), 0, 0, 0, 0, 0"),
    "another's files": _call(438, 438, "0, 0, 0"),
    "new user namespace": _call(272, 97, "0x10000000"),
    "new user namespace by clone": _call(56, 220, "0x10000011, 0, 0, 0, 0"),
    "new user namespace by clone3": _call(435, 435, "0, 0", "not implemented"),
    "mount": _call(165, 40, "b'none', b'/tmp', b'tmpfs', 0, 0"),
    "kernel program": _call(321, 280, "0, 0, 0"),
    "kernel keys": _call(250, 219, "0, 0, 0"),
    "io_uring": _call(425, 425, "1, 0"),
    "memory without a process": _call(319, 279, "b'x', 0"),
    "32-bit calls": _call(0x40000000 + 39, 10_000, "0", "not implemented"),
}
PRETEND = {
    "os._exit": _tries("os._exit(0)", "ended before it answered (exit code 0)"),
    "os._exit at import": Attempt("import os\nos._exit(0)", "rejected", "ended before it answered (exit code 0)"),
    "sys.exit": _tries("sys.exit(0)", "SystemExit"),
    "sys.exit at import": Attempt("import sys\nsys.exit(0)", "rejected", "SystemExit"),
    "another program in its place": _tries(
        "os.execv(sys.executable, [sys.executable, '-c', 'print(\"accepted\")'])", "ended before it answered"
    ),
    "result printed": _tries("print('ready\\naccepted\\n1\\n0\\n\\n', flush=True)\nreturn 0", "assert attempt()"),
    "result written everywhere": _tries(
        """
for descriptor in range(64):
    try:
        os.write(descriptor, b"ready\\naccepted\\n1\\n0\\n\\n")
    except OSError:
        pass
return 0
""",
        "",
    ),
    "runner patched": _tries(
        """
for name, module in list(sys.modules.items()):
    if "sandbox" in name or name == "__main__":
        for key, value in list(vars(module).items()):
            if key in ("Tally", "judged", "run_tests", "exception", "lines"):
                setattr(module, key, lambda *_, **__: "accepted\\n1\\n0\\n\\n")
return 0
""",
        "assert attempt()",
    ),
    "builtins patched": _tries(
        """
import builtins
builtins.AssertionError = builtins.Exception = type("Never", (BaseException,), {{}})
builtins.isinstance = builtins.bool = builtins.any = builtins.all = lambda *_: True
return 0
""",
        "",
    ),
    "equal to everything": _tries(
        "class Equal(str):\n    __eq__ = lambda *_: True\n    __hash__ = lambda *_: 0\nreturn Equal('no')", "assert attempt()"
    ),
    "an object equal to everything": _tries("class Equal:\n    __eq__ = lambda *_: True\nreturn Equal()", "assert attempt()"),
    "AssertionError raised": _tries("raise AssertionError('passed')", "assert attempt()"),
    "KeyboardInterrupt to the judge": _tries("os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)", "", "rejected"),
    "nonsense to the judge": _tries(
        """
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b"\\0\\0\\0\\4XXXX")
    except OSError:
        pass
return 0
""",
        "sent no readable value",
    ),
    "a huge message to the judge": _tries(
        """
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b"\\xff\\xff\\xff\\xff")
    except OSError:
        pass
return 0
""",
        "sent no readable value",
    ),
    "expected values looked for": _tries(
        """
seen = [repr(thing) for thing in gc.get_objects() if isinstance(thing, (str, bytes, list, tuple, dict))]
frame = sys._getframe()
while frame:
    seen += [repr(frame.f_locals), repr(frame.f_globals), repr(frame.f_code.co_consts)]
    frame = frame.f_back
for descriptor in range(3, 64):
    try:
        os.lseek(descriptor, 0, 0)
        seen.append(repr(os.read(descriptor, 1 << 20)))
    except OSError:
        pass
marker = "".join(["esc", "aped"])
return marker if any(marker + "'" in text for text in seen) else "nothing found"
""",
        "assert attempt()",
    ),
}
OUTLAST = {
    "time-out caught": _tries(
        """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            time.sleep(0.01)
    except BaseException:
        pass
""",
        "took over",
        "timed_out",
    ),
    "busy loop in threads": _tries(
        "def spin():\n    while True: pass\nfor _ in range(4): threading.Thread(target=spin).start()\nspin()",
        "took over",
        "timed_out",
    ),
    "thread that stays": _tries("threading.Thread(target=time.sleep, args=(60,)).start()\nreturn 0", "assert attempt()"),
    "daemon that stays": _tries(
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", "{marker}"])
    os._exit(0)
time.sleep(0.1)
return 0
""",
        "assert attempt()",
    ),
    "all closed": _tries("os.closerange(0, 64)\ntime.sleep(60)", "ended before it answered"),
}
ATTEMPTS = {
    f"{kind}: {name}": attempt
    for kind, group in {
        "exhaust": EXHAUST,
        "read": READ,
        "write": WRITE,
        "reach": REACH,
        "pretend": PRETEND,
        "outlast": OUTLAST,
    }.items()
    for name, attempt in group.items()
}
