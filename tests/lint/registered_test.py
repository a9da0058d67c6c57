"""A test that is not built does not exist: every test on disk must be one that ctest runs.

Usage: registered_test.py BUILD_DIRECTORY
"""
import json
import os
import re
import subprocess
import sys

import tree

GOOGLE = re.compile(r"^(TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)


def listed(build):
    """The words of all commands ctest would run."""
    shown = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, check=True,
                           stdout=subprocess.PIPE).stdout
    return [" ".join(test.get("command", [test["name"]])) for test in json.loads(shown)["tests"]]


def names(text):
    """How gtest would call each test of the file, as a regular expression."""
    forms = {"TEST": r"[=/]{0}\.{1}\b", "TEST_F": r"[=/]{0}\.{1}\b",
             "TEST_P": r"[=/]{0}\.{1}/", "TYPED_TEST": r"[=/]{0}/\d+\.{1}\b"}
    return [(f"{suite}.{name}", forms[kind].format(suite, name))
            for kind, suite, name in GOOGLE.findall(tree.blank(text))]


def check(path, text, commands, also_run):
    """`commands`: ctest's, one a line. `also_run`: the text of the scripts that run tests."""
    if not path.endswith(".cpp"):
        found = os.path.basename(path) in commands or (
            path.endswith(".sh") and path in also_run)
        return [] if found else [f"{path}:1: no test of ctest's runs this file"]
    tests = names(text)
    if not tests:
        return [f"{path}:1: has no test"]
    return [f"{path}:1: {name} is not among ctest's tests"
            for name, pattern in tests if not re.search(pattern, commands)]


if __name__ == "__main__":
    ctest_commands = "\n".join(listed(sys.argv[1]))
    tests_on_disk = [path for path in tree.files("_test.cpp", "_test.py", "_test.sh", "_test.js",
                                                 "_test.mjs") if path.startswith("tests/")]
    tree.finish("registered tests", [
        finding for path in tests_on_disk
        for finding in check(path, tree.read(path), ctest_commands, tree.read(".ci/run"))])
