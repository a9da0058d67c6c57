"""Who may include whom: the arrows of docs/architecture.md, checked on every #include."""
import os
import re

import tree

# Folder -> what it may include beside itself and schema/base: folders (ending in /) or single headers.
ARROWS = {
    "schema/base/": [],
    "schema/": ["schema/payload/"],
    "schema/payload/": ["schema/"],
    "storage/": [],
    "storage/os/": [],
    "storage/journal/": ["storage/os/", "storage/position.hpp"],
    "storage/sink/": ["schema/", "storage/os/", "storage/position.hpp"],
    "storage/sink/sqlite/": ["schema/", "storage/os/", "storage/position.hpp", "storage/sink/"],
    "storage/sink/postgres/": ["schema/", "storage/os/", "storage/position.hpp", "storage/sink/"],
    "storage/state/": ["storage/position.hpp", "storage/sink/sqlite/statement.hpp"],
    "storage/drain/": ["storage/journal/", "storage/sink/", "storage/os/", "storage/position.hpp",
                       "schema/"],
    "storage/replay/": ["storage/drain/automatic_columns.hpp", "storage/drain/backoff.hpp",
                        "storage/drain/bisect.hpp",
                        "storage/sink/", "storage/position.hpp", "schema/"],
    "gateway/": ["gateway/cli/", "gateway/config/"],
    "gateway/mqtt/": [],
    "gateway/broker/": ["gateway/mqtt/", "gateway/security/", "schema/",
                        "storage/journal/journal.hpp",
                        "storage/journal/record.hpp", "storage/position.hpp",
                        "storage/state/state_store.hpp",
                        "storage/os/clock.hpp"],
    "gateway/config/": [],
    "gateway/security/": ["gateway/mqtt/", "schema/nearest.hpp"],
    "gateway/net/": ["gateway/broker/", "gateway/mqtt/", "storage/position.hpp"],
    "gateway/topics/": ["schema/", "storage/journal/", "storage/os/clock.hpp",
                        "storage/position.hpp"],
    "gateway/http/": ["gateway/broker/", "gateway/topics/", "storage/", "schema/"],
    "gateway/cli/": ["gateway/", "storage/", "schema/"],
}
EVERYWHERE = ["schema/base/"]

# Headers from outside -> the folders whose files may include them ("*.cpp": in sources only).
OUTSIDE = [
    (r"boost/system/result\.hpp", ["schema/base/result.hpp"]),
    (r"boost/(asio|beast)", ["gateway/net/", "gateway/http/", "gateway/cli/", "tests/", "bench/"]),
    (r"libpq-fe\.h|pqxx/", ["storage/sink/postgres/", "gateway/cli/", "tests/", "bench/"]),
    (r"sqlite3\.h", ["storage/sink/sqlite/", "storage/state/*.cpp", "gateway/cli/", "tests/",
                     "bench/"]),
    (r"simdjson", ["schema/*.cpp", "gateway/security/*.cpp", "tests/", "bench/"]),
    # mapping_section.hpp is shared by the sources of the mapping file's parser, and by no header.
    (r"toml\+\+", ["schema/*.cpp", "schema/mapping_section.hpp", "gateway/config/*.cpp",
                "gateway/security/*.cpp", "tests/"]),
    (r"nlohmann/", ["schema/*.cpp", "gateway/http/*.cpp", "gateway/topics/*.cpp", "tests/", "bench/"]),
    (r"sparkplug_b\.pb\.h|google/protobuf", ["schema/*.cpp", "tests/", "bench/"]),
    (r"argon2\.h", ["gateway/security/*.cpp"]),
    (r"CLI/", ["gateway/cli/", "tests/", "bench/"]),
]
PURE = ("schema/", "gateway/mqtt/")  # no I/O, no threads, no clock
IMPURE = re.compile(r"(unistd|fcntl|poll|sys/.*)\.h$|^(thread|mutex|condition_variable|fstream)$")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def folder(path):
    return os.path.dirname(path) + "/"


def allowed(source, target):
    rules = ARROWS.get(folder(source))
    if rules is None:
        return False
    return folder(target) == folder(source) or any(
        target == rule or (rule.endswith("/") and
                           (folder(target) == rule or
                            (target.startswith(rule) and folder(source) in
                             ("gateway/http/", "gateway/cli/"))))
        for rule in rules + EVERYWHERE)


def outside_allowed(source, header):
    for pattern, places in OUTSIDE:
        if re.match(pattern, header):
            return any(source.startswith(place.replace("*.cpp", "")) and
                       (not place.endswith("*.cpp") or source.endswith(".cpp"))
                       for place in places)
    return not (source.startswith(PURE) and IMPURE.search(header))


def check(source, text):
    findings = []
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        ours, theirs = match.groups()
        if theirs:
            if not outside_allowed(source, theirs):
                findings.append(f"{source}:{line}: <{theirs}> is not for this folder (OUTSIDE in "
                                "tests/lint/includes_test.py)")
        elif not ours.startswith(tree.CODE_ROOMS + ("tests/", "bench/")):
            findings.append(f'{source}:{line}: "{ours}" is not a path from the repository root')
        elif source.startswith(tree.CODE_ROOMS) and not allowed(source, ours):
            findings.append(f"{source}:{line}: {folder(source)} may not include {ours} "
                            "(the table is in docs/architecture.md)")
    return findings


if __name__ == "__main__":
    tree.finish("include arrows", [finding for path in tree.files(*tree.CXX)
                                   for finding in check(path, tree.read(path))])
