"""The commands that docs/operations.md gives, run as they stand there."""
import re
import subprocess
import textwrap

import harness

PAGE = harness.ROOT / "docs" / "operations.md"


def example(holding):
    """The one example of the page that has these words."""
    examples = re.findall(r"^( *)```sh\n(.*?)^\1```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found = [textwrap.dedent(text) for _, text in examples if holding in text]
    assert len(found) == 1, f"{len(found)} examples with {holding!r} in {PAGE}"
    return found[0]


def run(holding, directory, environment=None, timeout=120):
    """Runs that example in the directory, up to its first command that fails: CompletedProcess."""
    return subprocess.run(["bash", "-euo", "pipefail", "-c", example(holding)], cwd=directory,
                          env=environment, capture_output=True, text=True, timeout=timeout,
                          check=False)
