#!/usr/bin/env python3
"""The normative statements of MQTT 5.0 and 3.1.1 (tests/conformance/statements.json) beside the tests
that check them: writes docs/mqtt-statements.md.

    conformance_statements.py          writes the page
    conformance_statements.py --gaps   prints the statements without a test

A statement's tests are the packet vectors that cite its id, and the unit and system tests its entry
names. One of 3.1.1 that says the same as statements of 5.0 is `like` those: where they are
implemented, it is, and of their vectors it has those that run in 3.1.1.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "conformance"
PAGE = ROOT / "docs" / "mqtt-statements.md"
NUMBERS = {"5.0": 5, "3.1.1": 4}
SHOWN = 3  # vectors named in the page, of those there are

HEAD = """# MQTT, statement by statement

Every normative statement of MQTT 5.0 and of MQTT 3.1.1, where it is implemented, and which test checks it. Written by
`tests/system/conformance_statements.py` from `tests/conformance/statements.json` and the packet vectors beside it; a test
keeps it so. What Rowgate does where the specification leaves a choice is in [MQTT conformance](mqtt-conformance.md).

*Italic* is a packet vector of [tests/conformance](../tests/conformance/README.md) (at most three are named), `Suite.name` a
unit test, `file.py: name` a system test. **Gap**: nothing checks it. A statement about clients binds no server; where
Rowgate checks that a client keeps it, it says where.
"""


def statements():
    with open(VECTORS / "statements.json", encoding="utf-8") as file:
        return json.load(file)


def vectors():
    """[(name, ids, versions)] of every case."""
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        if path.name == "statements.json":
            continue
        with open(path, encoding="utf-8") as file:
            groups = json.load(file)
        for group in groups:
            for case in group["cases"]:
                found.append((f"{group['group']}: {case['name']}", case["ids"],
                              case.get("versions", group.get("versions"))))
    return found


def resolve(known, cases):
    """{version: [statement]}, each with `where`, `tests` and `vectors`."""
    by_id = {entry["id"]: entry for entry in known["5.0"]}

    def citing(version, ids, of_five):
        # An id means 5.0 where the case runs there, else 3.1.1.
        return [name for name, cited, runs in cases
                if NUMBERS[version] in runs and of_five == (5 in runs) and ids & set(cited)]

    resolved = {}
    for version, entries in known.items():
        resolved[version] = []
        for entry in entries:
            like = [by_id[name] for name in entry.get("like", [])]
            same = {other["id"] for other in like}
            own = {entry["id"]}
            # An id that only 3.1.1 has may stand in a case of both.
            mixed = version == "5.0" or entry["id"] not in by_id
            names = (citing(version, own, version == "5.0") +
                     citing(version, same | (own if mixed else set()), True))
            resolved[version].append({
                **entry,
                "where": unique(entry.get("where", []) + [w for o in like for w in o.get("where", [])]),
                "tests": unique(entry.get("tests", []) + [t for o in like for t in o.get("tests", [])]),
                "vectors": unique(names)})
    return resolved


def unique(items):
    return list(dict.fromkeys(items))


def is_gap(entry):
    return (entry["of"] != "client" and "not_applicable" not in entry and
            not entry["tests"] and not entry["vectors"])


def checked_by(entry):
    if "not_applicable" in entry:
        return f"does not apply: {entry['not_applicable']}"
    parts = [f"*{name}*" for name in entry["vectors"][:SHOWN]]
    if len(entry["vectors"]) > SHOWN:
        parts[-1] += f" and {len(entry['vectors']) - SHOWN} more"
    parts += [f"`{name}`" for name in entry["tests"]]
    if parts:
        return ", ".join(parts)
    return "a statement about clients" if entry["of"] == "client" else "**Gap**"


def page(resolved):
    lines = [HEAD]
    for version, entries in resolved.items():
        applying = [e for e in entries if e["of"] != "client" and "not_applicable" not in e]
        gaps = [e for e in entries if is_gap(e)]
        lines.append(f"## MQTT {version}\n\n{len(entries)} statements; {len(applying)} bind this "
                     f"server; {len(gaps)} of them are gaps.\n")
        lines.append("| id | of | says | implemented in | checked by |\n| --- | --- | --- | --- | --- |")
        for entry in entries:
            where = ", ".join(f"`{place}`" for place in entry["where"])
            lines.append(f"| {entry['id'].removeprefix('MQTT-')} | {entry['of']} | {entry['says']} | "
                         f"{where} | {checked_by(entry)} |".replace("|  |", "| |"))
        lines.append("")
    return "\n".join(lines)


def main():
    resolved = resolve(statements(), vectors())
    if "--gaps" in sys.argv:
        for version, entries in resolved.items():
            for entry in filter(is_gap, entries):
                print(version, entry["id"], entry["says"])
        return
    PAGE.write_text(page(resolved), encoding="utf-8")


if __name__ == "__main__":
    main()
