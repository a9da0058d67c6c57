"""The vectors of tests/conformance/*.json against the real binary: conformance_runner.py sends and
expects the bytes, this file gives it a gateway."""
import os
import subprocess
import sys

import harness

VECTORS = harness.ROOT / "tests" / "conformance"


class ConformanceTest(harness.SqliteCase):
    def test_every_vector(self):
        files = sorted(VECTORS.glob("*.json"))
        self.assertTrue(files, f"no vectors in {VECTORS}")
        node = self.gateway(self.database).start()
        done = subprocess.run(
            [sys.executable, harness.HERE / "conformance_runner.py",
             f"127.0.0.1:{node.mqtt_port}", *files],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, text=True, capture_output=True,
            timeout=280, check=False)
        print(done.stdout[-2000:])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(node.running)
        node.wait_drained()
        self.assert_balanced(node)


if __name__ == "__main__":
    harness.main()
