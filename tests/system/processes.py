"""Processes that end with the test, and what one needs to wait for them: conditions and free ports."""
import atexit
import os
import random
import socket
import subprocess
import time

_running = []  # processes to end when this one does
_claims = []  # of free_port()


def rowgate_binary():
    path = os.environ.get("ROWGATE_BIN", "")
    if not path or not os.access(path, os.X_OK):
        raise RuntimeError(f"ROWGATE_BIN={path!r} is no program: set it to the rowgate binary")
    return path


@atexit.register
def _end_processes():
    for process in _running:
        if process.poll() is None:
            process.kill()
            process.wait()


def spawn(argv, death_signal="KILL", **options):
    """A child that does not outlive the test, also when the test itself is killed. Call it on the
    main thread: the kernel ties the signal to the calling thread's life."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", death_signal, *map(str, argv)], **options)
    _running.append(process)
    return process


def forget(process):
    """It has ended and was waited for."""
    if process in _running:
        _running.remove(process)


def wait_until(condition, what, timeout=20.0, interval=0.01):
    """The condition's first true value; AssertionError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


def free_port():
    """A port nobody listens on, nor any other test while this process lives. Below the ephemeral range,
    so that no client socket takes it."""
    while True:
        port = random.SystemRandom().randrange(18000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0rowgate-test-port-{port}")  # no file: it ends with the process
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port


def environment(extra=None):
    """The environment without this test's own ROWGATE_ variables, which are no options."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("ROWGATE_")}
    return {**own, **(extra or {})}


def rowgate(*argv, env=None, stdin=None, timeout=30, cwd=None):
    """Runs a verb to its end: CompletedProcess with text stdout and stderr."""
    return subprocess.run([rowgate_binary(), *map(str, argv)], capture_output=True, text=True,
                          timeout=timeout, input=stdin, cwd=cwd,
                          env=environment(env), check=False)
