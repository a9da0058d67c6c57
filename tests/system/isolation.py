"""File systems and networks of a test's own: nothing here outlives the test's process, however it
ends, because all of it hangs on namespaces that only this process and its children are in.

Call enter() first of all, on the main thread, before anything is started.
"""
import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
GATEWAY_SIDE, SERVER_SIDE = "10.77.0.1", "10.77.0.2"

_libc = ctypes.CDLL(None, use_errno=True)


def run(*argv, **options):
    """A command that must succeed."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                          **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
    return done.stdout


def enter(network=False):
    """Mounts made from here on are this process's and its children's; with `network`, so are all
    interfaces, of which there is only a loopback one."""
    if os.geteuid() != 0:
        raise RuntimeError("this test mounts file systems and makes networks: run it as root")
    flags = CLONE_NEWNS | (CLONE_NEWNET if network else 0)
    if _libc.unshare(flags) != 0:
        raise RuntimeError(f"unshare: {os.strerror(ctypes.get_errno())}")
    run("mount", "--make-rprivate", "/")
    if network:
        run("ip", "link", "set", "lo", "up")


class SmallDisk:
    """A tmpfs of a few MiB that can be filled to the brim."""

    def __init__(self, path, mib):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", self.path)

    @property
    def ballast(self):
        return self.path / "ballast"

    def fill(self):
        """Until not a single page is left."""
        with open(self.ballast, "ab", buffering=0) as file:
            for piece in (harness.MIB, 4096):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError:
                    pass

    def free(self):
        self.ballast.unlink(missing_ok=True)

    def remove(self):
        self.free()
        subprocess.run(["umount", "--lazy", self.path], check=False)


class FaultyDisk:
    """An ext4 in a file that, at a sign of damage, becomes read-only under everyone who uses it
    (errors=remount-ro), and must be unmounted and checked before it can be written again."""

    def __init__(self, path, mib=48):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.mkdtemp(prefix="rowgate-disk-")
        self.image = Path(self._folder) / "image"
        with open(self.image, "wb") as file:
            file.truncate(mib * harness.MIB)
        run("mkfs.ext4", "-q", "-F", "-b", 4096, self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.path)

    def _device(self):
        return Path(run("findmnt", "-n", "-o", "SOURCE", "-M", self.path).strip()).name

    def fail(self):
        """The kernel finds the file system damaged."""
        Path(f"/sys/fs/ext4/{self._device()}/trigger_fs_error").write_text("a test's fault")

    def repair(self):
        """As an operator does, with nobody using it."""
        run("umount", self.path)
        checked = subprocess.run(["e2fsck", "-fp", self.image], capture_output=True, text=True,
                                 check=False)
        if checked.returncode > 1:  # 1: errors were corrected
            raise RuntimeError(f"e2fsck: {checked.stdout}{checked.stderr}")
        self.mount()

    def remove(self):
        subprocess.run(["umount", "--lazy", self.path], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


class OtherHost:
    """A network namespace behind a cable (veth). Needs enter(network=True)."""

    def __init__(self):
        self.holder = harness.spawn(["unshare", "--net", "sleep", "infinity"])
        harness.wait_until(self._apart, "the other host's network namespace")
        run("ip", "link", "add", "gateway0", "type", "veth", "peer", "name", "server0",
            "netns", self.holder.pid)
        run("ip", "addr", "add", f"{GATEWAY_SIDE}/24", "dev", "gateway0")
        run("ip", "link", "set", "gateway0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{SERVER_SIDE}/24", "dev", "server0")
        self.run("ip", "link", "set", "server0", "up")

    def _apart(self):
        mine = os.readlink("/proc/self/ns/net")
        return os.readlink(f"/proc/{self.holder.pid}/ns/net") != mine

    @property
    def prefix(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def run(self, *argv):
        run(*self.prefix, *argv)

    def unplug(self):
        run("ip", "link", "set", "gateway0", "down")

    def plug_in(self):
        run("ip", "link", "set", "gateway0", "up")

    def remove(self):
        subprocess.run(["ip", "link", "del", "gateway0"], capture_output=True, check=False)
        self.holder.kill()
        self.holder.wait()


class Firewall:
    """Rules of iptables in this process's network namespace, all gone with clear()."""

    def __init__(self):
        self.rules = []

    def add(self, chain, *rule):
        rule = [str(part) for part in rule]
        run("iptables", "-w", "-A", chain, *rule)
        self.rules.append((chain, rule))

    def cut(self, port, *more):
        """Nothing to or from this TCP port gets through, and nobody is told."""
        for chain in ("INPUT", "OUTPUT"):
            for side in ("--dport", "--sport"):
                self.add(chain, "-p", "tcp", side, port, *more, "-j", "DROP")

    def clear(self):
        for chain, rule in self.rules:
            run("iptables", "-w", "-D", chain, *rule)
        self.rules = []


def vanish(tcp_socket):
    """Closes a socket as a device that loses its power does: without a word to the other side
    (TCP_REPAIR; root only)."""
    tcp_socket.setsockopt(6, 19, 1)
    tcp_socket.close()
