"""Words that no file may have: unfinished work, names that say nothing, hosts of package registries."""
import os
import re

import tree

# Written in pieces, so that this file does not have them either.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
EMPTY_NAMES = "Manager|Helper|Utils?|Handler"
NAMED = re.compile(r"\b(?:class|struct|enum|union|concept|using|namespace)\s+(?:class\s+|struct\s+)?"
                   rf"(\w*(?:{EMPTY_NAMES})|utils?|helpers?)\b")
EMPTY_FILE = re.compile(r"(^|_)(manager|helper|util|handler)s?(_test)?\.\w+$")
REGISTRIES = re.compile("|".join(r"\.".join(host.split()) for host in (
    "deb debian org", "security debian org", "snapshot debian org", "ftp debian org",
    "registry npmjs org", "npmjs com", "nodesource com", "pypi org", "pythonhosted org",
    "crates io", "proxy golang org", "ghcr io", "quay io", "gcr io", "registry-1 docker io",
    "hub docker com", "repo1 maven org")) + r"|docker\.io/")


def check(path, text):
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := UNFINISHED.search(line):
            findings.append(f"{path}:{number}: {match.group(1)}: finish it or file an issue")
        if match := REGISTRIES.search(line):
            findings.append(f"{path}:{number}: names the registry host {match.group(0)}")
    if path.endswith(tree.CXX):
        code = tree.blank(text)
        findings += [f"{path}:{code.count(chr(10), 0, match.start()) + 1}: the name "
                     f"{match.group(1)} does not say what it does" for match in NAMED.finditer(code)]
    if path.endswith(tree.CXX + (".py", ".sh")) and EMPTY_FILE.search(os.path.basename(path)):
        findings.append(f"{path}:1: the file's name does not say what is in it")
    return findings


if __name__ == "__main__":
    binary = (".seg", ".bin", ".png", ".db", ".gz")
    tree.finish("words", [finding for path in tree.files() if not path.endswith(binary)
                          for finding in check(path, tree.read(path))])
