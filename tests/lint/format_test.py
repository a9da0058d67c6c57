"""Every C++ file is as clang-format writes it (.clang-format in the root)."""
import subprocess

import tree


def check(paths):
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *paths],
                         cwd=tree.ROOT, stderr=subprocess.PIPE, check=False)
    messages = [line for line in run.stderr.decode().splitlines() if "error:" in line]
    if run.returncode and not messages:
        messages = [run.stderr.decode().strip()]
    return sorted({message.split(":")[0] for message in messages})


if __name__ == "__main__":
    sources = tree.files(*tree.CXX)
    findings = check(sources) if sources else []
    tree.finish("clang-format", [f"{path}: run clang-format -i on it" for path in findings])
