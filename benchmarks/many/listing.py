"""One process that lists a source: seconds and memory.

python -m benchmarks.many.listing SOURCE
"""

from __future__ import annotations

import json
import resource
import sys
import time

from gallop.answers.sources import Opener, open_source


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    count = sum(1 for _ in open_source(sys.argv[1], Opener()))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"names": count, "seconds": time.perf_counter() - began, "megabytes": grown / 1024}))


if __name__ == "__main__":
    main()
