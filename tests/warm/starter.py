"""``starter.py ADDRESS WORDS``: be the process that ``python WORDS`` would be, by way of a fork of what listens there.

Started without any library, so that it takes a few milliseconds.
"""

import contextlib
import json
import os
import signal
import socket
import sys


def _passed_on(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself, and its status is on its way
        os.kill(pid, number)


address, *words = sys.argv[1:]
inherited = sorted(int(name) for name in os.listdir("/proc/self/fd"))
inherited = [number for number in inherited if os.path.exists(f"/proc/self/fd/{number}")]  # but what listed them
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(address)
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    request = json.dumps([inherited, words, dict(os.environ), os.getcwd(), deaf])
    socket.send_fds(asked, [b" "], inherited)
    asked.sendall(f"{request}\n".encode())
    answers = asked.makefile("r")
    pid = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: _passed_on(pid, number))
    status = os.waitstatus_to_exitcode(int(answers.readline()))
if status < 0:
    if status != -signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
