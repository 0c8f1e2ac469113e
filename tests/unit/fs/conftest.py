"""Somebody for whom permissions count."""

from tests.support.users import plain_user

__all__ = ["plain_user"]
