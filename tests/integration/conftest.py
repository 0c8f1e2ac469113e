"""Fixtures of tests with real programs and the real kernel."""

from __future__ import annotations

from tests.support.users import any_user, plain_user, subid_user

__all__ = ["any_user", "plain_user", "subid_user"]
