"""A Redis for the whole run, whose pools look as if they had been there for a while.

A pool that is found empty decides nothing for half a lease time and a second, because nobody knows
who may still hold something of it. Paid by every scenario, that would be most of the run. What an
idle pool looks like is seen once, and laid out for each gateway under a prefix of its own; the
scenarios about lost state start on a Redis that is really empty.
"""

from .redis import Redis

# The prefix and the provider of the pool that is copied, and the least lease time there is.
SEED, PROVIDER, LEASE_TTL_MS = "seed", "openai", 1000


class WarmRedis:
    """Holds the server, and a copy of the idle pool that a gateway left in it under `SEED`."""

    def __init__(self, redis: Redis):
        self.redis = redis
        self._parts: dict[str, bytes] = {}

    def take(self) -> None:
        """Copies what that pool consists of now."""
        pool = f"{SEED}:v2:{{{PROVIDER}}}:"
        for key in self.redis.contents(pool):
            self._parts[key.decode().removeprefix(pool)] = self.redis.command("DUMP", key)
        assert "rows" in self._parts, self._parts

    def lay_out(self, prefix: str, providers: list[str]) -> Redis:
        for provider in providers:
            for part, blob in self._parts.items():
                key = f"{prefix}:v2:{{{provider}}}:{part}"
                self.redis.command("RESTORE", key, 0, blob)
        return self.redis
