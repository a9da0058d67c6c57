"""The files of the checkout, and C++ source text without what is not code. Shared by the lint tests."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CXX = (".cpp", ".hpp")
CODE_ROOMS = ("schema/", "storage/", "gateway/")


def files(*suffixes):
    """Every file git tracks or would track, as paths from the root; only the suffixes, if given."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return sorted({path for path in listed
                   if path and (not suffixes or path.endswith(suffixes))
                   and os.path.isfile(os.path.join(ROOT, path))})


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


# A raw string, a comment, a string or a character literal, whichever starts first.
_NOT_CODE = re.compile(
    r'R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r"|//[^\n]*|/\*.*?\*/"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def blank(text):
    """The same text with comments and literals blanked, so that every line keeps its number."""
    def spaces(match):
        found = match.group(0)
        filler = '""' if found[0] in 'R"' else "  "
        return filler + "\n" * found.count("\n")
    return _NOT_CODE.sub(spaces, text)


def finish(name, findings):
    """Prints the findings and ends the test: red if there are any."""
    for finding in findings:
        print(finding)
    print(f"{name}: {len(findings)} finding(s)")
    sys.exit(1 if findings else 0)
