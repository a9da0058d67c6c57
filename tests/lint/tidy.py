"""tidy.py BUILD_DIRECTORY [--seconds N]: clang-tidy on every source of schema/, storage/ and gateway/.

A file whose text, headers of ours and checks are those of an earlier clean run is not looked at again
(ROWGATE_TIDY_CACHE, by default ~/.cache/rowgate-tidy). When the time is used up, what was not reached is
named; the next run goes on there. Exit code 1: clang-tidy found something.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import tree

OURS = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
CACHE = pathlib.Path(os.environ.get("ROWGATE_TIDY_CACHE",
                                    os.path.expanduser("~/.cache/rowgate-tidy")))


def with_headers(path, seen):
    """`path` and every header of ours that it reaches."""
    if path not in seen and os.path.isfile(os.path.join(tree.ROOT, path)):
        seen.add(path)
        for header in OURS.findall(tree.read(path)):
            with_headers(header, seen)
    return seen


def key(path):
    """Stands for all that decides what clang-tidy says about the file."""
    digest = hashlib.sha256(tree.read(".clang-tidy").encode())
    for part in sorted(with_headers(path, set())):
        digest.update(f"{part}\n{tree.read(part)}".encode())
    return digest.hexdigest()


def look(build, path, deadline):
    """What clang-tidy says: "" nothing, None there was no time."""
    left = deadline - time.monotonic()
    if left < 5:
        return None
    try:
        run = subprocess.run(["clang-tidy", "--quiet", "-p", build, path], cwd=tree.ROOT, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=left)
    except subprocess.TimeoutExpired:
        return None
    return run.stdout.decode() if run.returncode else ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("build")
    arguments.add_argument("--seconds", type=float, default=600)
    chosen = arguments.parse_args()
    deadline = time.monotonic() + chosen.seconds
    CACHE.mkdir(parents=True, exist_ok=True)
    build = os.path.abspath(chosen.build)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        compiled = {os.path.relpath(entry["file"], tree.ROOT) for entry in json.load(file)}
    sources = [path for path in tree.files(".cpp") if path.startswith(tree.CODE_ROOMS)]
    findings = [f"{path}: is not compiled in {build}" for path in sources if path not in compiled]
    fresh = [path for path in sources if path in compiled and not (CACHE / key(path)).exists()]
    missed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for path, said in zip(fresh, pool.map(lambda path: look(build, path, deadline), fresh)):
            if said is None:
                missed.append(path)
            elif said:
                findings.append(said)
            else:
                (CACHE / key(path)).touch()
    print(*findings, sep="\n")
    print(f"clang-tidy: {len(sources)} sources, {len(sources) - len(fresh)} clean as before, "
          f"{len(findings)} with findings, {len(missed)} not reached in {chosen.seconds:.0f} s")
    if missed:
        print("not reached:", *missed)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
