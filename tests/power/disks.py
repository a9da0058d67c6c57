"""Disks for power_cut_test.py: one that remembers its writes and flushes (recorder.cpp behind a loop
device), and those that a power cut would leave of it.

Images and logs are memory files (memfd), so nothing of them outlives the process; mounts are made in
a mount namespace of its own, and a loop device is freed by the kernel with its last user.
"""
import bisect
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import subprocess
from pathlib import Path

import harness

SECTOR, BLOCK = 512, 4096  # a disk writes one of them whole or not at all
WRITE, FLUSH, MARK = 1, 2, 3  # recorder.cpp

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE, _LO_FLAGS_AUTOCLEAR = 0x4C82, 0x4C0A, 4


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source, target, kind, flags=0, options=""):
    _check(_libc.mount(str(source).encode(), str(target).encode(), kind.encode() if kind else None,
                       ctypes.c_ulong(flags), options.encode()), f"mount {source} on {target}")


def unmount(target):
    """When whoever uses it has gone (a process that was killed a moment ago)."""
    path = str(target).encode()
    try:
        harness.wait_until(lambda: _libc.umount2(path, 0) == 0, f"{target} is not in use any more")
    except AssertionError:
        _check(_libc.umount2(path, _MNT_DETACH), f"umount {target}")
        raise


def sync(path):
    """All of the file system is on its disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.syncfs(descriptor), f"sync {path}")
    finally:
        os.close(descriptor)


def private_mounts():
    """From now on what this process and its children mount is theirs and ends with them. Call it
    while the process has one thread."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare a mount namespace (this needs root)")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def memory_file(name, size=0):
    descriptor = os.memfd_create(name)
    os.ftruncate(descriptor, size)
    return descriptor


@contextlib.contextmanager
def loop_device(backing, directory):
    """The path of a loop device on an open file, freed by the kernel when nobody has it open."""
    control = os.open("/dev/loop-control", os.O_RDWR)
    try:
        while True:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            path = Path(f"/dev/loop{number}")
            if not path.exists():  # no devtmpfs: a container
                path = Path(directory) / f"loop{number}"
                path.unlink(missing_ok=True)
                os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, number))
            device = os.open(path, os.O_RDWR)
            config = bytearray(304)  # struct loop_config of linux/loop.h
            struct.pack_into("<I", config, 0, backing)
            struct.pack_into("<I", config, 60, _LO_FLAGS_AUTOCLEAR)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, config)
                break
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # else somebody else was faster
                    raise
    finally:
        os.close(control)
    try:
        yield path
    finally:
        os.close(device)


@contextlib.contextmanager
def mounted(backing, directory, options=""):
    """The ext4 in an open file, mounted; the mount point's path."""
    point = Path(directory) / "mounted"
    point.mkdir(exist_ok=True)
    with loop_device(backing, directory) as device:
        _mount(device, point, "ext4", options=options)
    try:
        yield point
    finally:
        unmount(point)


def mountable(image, directory):
    """Whether ext4 takes it. Its journal's checksums refuse some blocks that a cut has torn within."""
    try:
        with mounted(image, directory):
            return True
    except OSError as error:
        if error.errno not in (errno.EBADMSG, errno.EUCLEAN):
            raise
        return False


def new_ext4(size):
    """A memory file with what mkfs makes: nothing is left for later, and the journal is small."""
    descriptor = memory_file("power-disk", size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-J", "size=4", "-E",
                    "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
                    f"/proc/{os.getpid()}/fd/{descriptor}"], check=True, capture_output=True)
    return descriptor


def duplicate(image):
    """A memory file with the same content."""
    descriptor = memory_file("power-copy", os.fstat(image).st_size)
    _copy(image, descriptor)
    return descriptor


class RecordedDisk:
    """The ext4 in `image`, an open file that it takes over, mounted at `path`. Its block writes, flushes
    and marks are logged until end(). `options` are mount's. `baseline` is a copy of the image as it was before."""

    def __init__(self, program, directory, image, options=""):
        self.baseline = duplicate(image)
        self.log = memory_file("power-log")
        self._fuse = Path(directory) / "recorder"
        self._fuse.mkdir(exist_ok=True)
        self._open = contextlib.ExitStack()
        self._process = harness.spawn([program, self._fuse, image, self.log],
                                      pass_fds=(image, self.log))
        os.close(image)  # the recorder has it
        harness.wait_until(self._answers, "the recorder has mounted its disk")
        self._open.callback(self._process.wait, 20)
        self._open.callback(unmount, self._fuse)
        with self._open.pop_all() as opened:  # undone if one of these fails
            backing = os.open(self._fuse / "disk", os.O_RDWR)
            opened.callback(os.close, backing)
            self.path = opened.enter_context(mounted(backing, directory, options))
            self._marks = os.open(self._fuse / "mark", os.O_WRONLY)
            opened.callback(os.close, self._marks)
            self._open = opened.pop_all()

    def _answers(self):
        if self._process.poll() is not None:
            raise AssertionError(f"the recorder ended with {self._process.returncode}")
        return (self._fuse / "disk").exists()

    def mark(self, content):
        """Appends it to the log. What this process was told before is above it, and what it does
        after is below."""
        os.write(self._marks, content)

    def end(self):
        """Unmounts: the log gets no more. Nobody may use the file system. Again: does nothing."""
        self._open.close()


def _copy(source, target):
    with _mapped(source) as have, _mapped(target) as want, memoryview(have) as content:
        want[:] = content


def _mapped(descriptor):
    return mmap.mmap(descriptor, os.fstat(descriptor).st_size)


class Log:
    """entries[n] = (kind, offset on the disk, where its bytes begin in `bytes`, size)."""

    def __init__(self, descriptor):
        size = os.fstat(descriptor).st_size
        self.bytes = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
        self.entries = []
        at = 0
        while at < size:
            kind, length, offset = struct.unpack_from("=IIQ", self.bytes, at)
            self.entries.append((kind, offset, at + 16, length))
            at += 16 + length
        self.flushes = self._indices(FLUSH)
        self.marks = self._indices(MARK)

    def _indices(self, kind):
        return [index for index, entry in enumerate(self.entries) if entry[0] == kind]

    def content(self, index):
        _, _, start, size = self.entries[index]
        return self.bytes[start:start + size]


class CutDisk:
    """The disk as a power cut at some moment of the log may leave it, in the open file `image`. Moments
    must not go back."""

    # What becomes of the writes that no flush had covered: how often.
    TORN = {"nothing": 2, "everything": 2, "whole writes": 3, "sectors": 3}

    def __init__(self, log, baseline):
        """Takes over `baseline`, an open file."""
        self.log = log
        self.image = memory_file("power-cut", os.fstat(baseline).st_size)
        self._cut = _mapped(self.image)
        self._flushed = _mapped(baseline)  # brought forward in place
        os.close(baseline)
        self._applied = 0

    def cut(self, moment, random, torn=None):
        """Makes `image` what is left when the power goes right before entry `moment`: all that a
        flush had covered, and of what was written after it nothing, everything, or a random choice
        of whole writes or of sectors; torn="blocks": of sectors of 4096 bytes. Says which."""
        before = bisect.bisect_left(self.log.flushes, moment)
        flushed = self.log.flushes[before - 1] if before else 0
        assert flushed >= self._applied, "a moment before the last one"
        for index in range(self._applied, flushed):
            self._write(self._flushed, index)
        self._applied = flushed
        with memoryview(self._flushed) as content:
            self._cut[:] = content
        torn = torn or random.choices(list(self.TORN), self.TORN.values())[0]
        chance = random.uniform(0.1, 0.9)
        pending = kept = 0
        for index in range(flushed, moment):
            kind, offset, start, size = self.log.entries[index]
            if kind != WRITE:
                continue
            pending += size // SECTOR
            if torn == "everything" or (torn == "whole writes" and random.random() < chance):
                self._write(self._cut, index)
                kept += size // SECTOR
            elif torn in ("sectors", "blocks"):
                unit = SECTOR if torn == "sectors" else BLOCK
                for at in range(0, size, unit):
                    if random.random() < chance:
                        end = min(at + unit, size)
                        self._cut[offset + at:offset + end] = self.log.bytes[start + at:start + end]
                        kept += (end - at) // SECTOR
        return f"{torn}: {kept} of {pending} sectors after the flush at {flushed}"

    def _write(self, disk, index):
        kind, offset, start, size = self.log.entries[index]
        if kind == WRITE:
            disk[offset:offset + size] = self.log.bytes[start:start + size]

    def close(self):
        self._cut.close()
        self._flushed.close()
        os.close(self.image)
