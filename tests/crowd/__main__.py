"""python -m crowd KIND HOST PORT SIZE PACE SEED: a crowd, until standard input ends.

Says on standard output, a line of JSON each, when it stands, what went wrong, and in the end what
it has met.
"""

import asyncio
import os
import resource
import sys

from crowd import fuzz, reading, talking, waiting
from crowd.crowd import Crowd, Kind

KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(waiting.idle, waiting.silent, waiting.slow_head, waiting.given_up_head),
        *(waiting.slow_body, waiting.large_slow_body),
        *(reading.slow_reader, reading.stalled_stream, reading.flood, reading.half_closer),
        *(talking.behind_refusal, talking.babbler, talking.endless),
        *(talking.tiny_chunks, talking.many_fields),
        *(fuzz.fuzzer, fuzz.tls_client, fuzz.comer_and_goer),
    )
}


async def main(kind: str, host: str, port: str, size: str, pace: str, seed: str) -> None:
    crowd = Crowd((host, int(port)), int(size), float(pace), int(seed))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(0)
        assert os.read(0, 1) == b"", "nothing is said to a crowd"
        crowd.stop()

    loop.add_reader(0, stop)
    await crowd.run(KINDS[kind])


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(*sys.argv[1:]))
