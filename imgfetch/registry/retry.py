"""When to ask again, and how long to wait before.

Only what is safe to repeat and may get better by itself is repeated: no answer, an
overloaded server, too many requests. Wrong credentials and missing images are told at
once.
"""

from __future__ import annotations

import random
import threading
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.registry.settings import Clock, RetryPolicy

TOO_MANY_REQUESTS = 429
_SERVICE_UNAVAILABLE = 503
# 499 and 522 are what proxies say when the server behind them did not answer.
_TRANSIENT = frozenset({408, 499, 500, 502, 503, 504, 522, TOO_MANY_REQUESTS})


def is_transient(status: int) -> bool:
    """Whether the same request may be answered better later."""
    return status in _TRANSIENT


def retry_after(value: str, now: float) -> float | None:
    """What a ``Retry-After`` header asks for, in seconds (RFC 9110 10.2.3).

    Args:
        value: seconds or a date; "" for none.
        now: the time, in seconds since 1970.

    Returns:
        None where it says nothing.
    """
    if value.isascii() and value.isdigit():
        # Nobody waits for a number of seconds that does not fit.
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - now)


class Turnstile:
    """Holds all workers of one registry back when it says that there are too many.

    Args:
        clock: time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._opens = 0.0

    def close_for(self, seconds: float) -> None:
        """Let nobody through for a while."""
        with self._lock:
            self._opens = max(self._opens, self._clock.monotonic() + seconds)

    def wait(self) -> None:
        """Wait until it is open."""
        while True:
            with self._lock:
                left = self._opens - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.sleep(left)


class Attempts:
    """The retries of one request.

    Args:
        policy: how many and how long.
        clock: time.
        jitter: gives a number from 0 to 1; spreads the retries of many clients.
    """

    def __init__(
        self, policy: RetryPolicy, clock: Clock, jitter: Callable[[], float] = random.random
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._made = 0
        self._waited = 0.0

    def delay(self, *, asked: float | None = None, rate_limited: bool = False) -> float | None:
        """Take one retry.

        Args:
            asked: seconds that the server asked for.
            rate_limited: whether the failure was "too many requests".

        Returns:
            Seconds to wait before it; None when there is none left.
        """
        policy = self._policy
        allowed = policy.retries
        if rate_limited and allowed:
            allowed = max(allowed, policy.rate_limit_retries)
        if self._made >= allowed:
            return None
        seconds = policy.base * float(2**self._made) * (0.5 + self._jitter() / 2)
        if asked is not None:
            seconds = max(asked, 0.0)
        seconds = min(seconds, policy.cap)
        if self._waited + seconds > policy.patience:
            return None
        self._made += 1
        self._waited += seconds
        return seconds


class TransferAttempts:
    """The retries of one long transfer: progress gives them back.

    A blob of many gigabytes breaks more often than three times on a bad line; a server
    that breaks each transfer at once does not get asked for ever.
    """

    def __init__(
        self, policy: RetryPolicy, clock: Clock, jitter: Callable[[], float] = random.random
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._attempts = Attempts(policy, clock, jitter)
        self._received = 0
        self._broke = clock.monotonic()

    def progress(self, count: int) -> None:
        """Some bytes came."""
        self._received += count

    def again(self) -> bool:
        """Wait for the next attempt; not at all where there was progress.

        Returns:
            False when there is none left.
        """
        now = self._clock.monotonic()
        policy = self._policy
        enough = self._received >= policy.refill_bytes
        if enough or (self._received and now - self._broke >= policy.refill_seconds):
            self._attempts = Attempts(policy, self._clock, self._jitter)
        self._received, self._broke = 0, now
        if enough and policy.retries:
            # A server that gives so much is well: it is the line that breaks.
            return True
        seconds = self._attempts.delay()
        if seconds is None:
            return False
        self._clock.sleep(seconds)
        return True
