"""Dates as `/2010-04-01` writes them."""

from datetime import UTC, datetime
from email.utils import format_datetime


def rfc2822(epoch_s: int) -> str:
    """`Thu, 30 Jul 2015 20:00:00 +0000`."""
    return format_datetime(datetime.fromtimestamp(epoch_s, UTC))
