"""Parameters of a REST request, from a form body or a query string: repeated names, strict UTF-8, typed reading with the contract's errors."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

from contract.errors import Refused

MAX_FIELDS = 1000


def invalid(name: str) -> Refused:
    """The error of a malformed parameter that has no code of its own."""
    return Refused(20001, f"Invalid parameter {name}")


class Parameters:
    """Names are case-sensitive. Unset parameters read as None; an empty string is a value."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    def parse(cls, raw: bytes) -> "Parameters":
        """
        Read `application/x-www-form-urlencoded` bytes.

        Bytes that are not UTF-8 are kept as lone surrogates: they are refused when that parameter is read, since the code depends on
        which one it is. Raises `Refused` 20001 for more than `MAX_FIELDS` fields.
        """
        text = raw.decode("utf-8", "surrogateescape")
        try:
            return cls(parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS))
        except ValueError as error:
            raise Refused(20001, "Too many parameters") from error

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(self._pairs)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self._pairs)

    def texts(self, name: str, code: int = 20001) -> list[str]:
        """Every value of `name` in order. Raises `Refused` with `code` when one is not valid UTF-8, or has a NUL, which PostgreSQL cannot store."""
        values = [value for key, value in self._pairs if key == name]
        for value in values:
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise invalid(name) if code == 20001 else Refused(code)
        return values

    def text(self, name: str, code: int = 20001) -> str | None:
        """The value of `name`; the last one when it is repeated. Raises as `texts`."""
        values = self.texts(name, code)
        return values[-1] if values else None

    def integer(self, name: str, code: int = 20001) -> int | None:
        """Decimal digits, perhaps signed. Raises `Refused` with `code` for anything else."""
        value = self.text(name, code)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise invalid(name) if code == 20001 else Refused(code)
        return int(value)

    def boolean(self, name: str) -> bool | None:
        """`true` or `false` in any letter case. Raises `Refused` 20001."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise invalid(name)
        return value.lower() == "true"

    def date(self, name: str) -> datetime | None:
        """`YYYY-MM-DD` (midnight UTC) or an ISO 8601 date-time; no zone means UTC. Raises `Refused` 20001."""
        value = self.text(name)
        if value is None:
            return None
        head, sep, tail = value.rpartition(" ")
        if sep and "T" in head:  # a "+02:00" whose plus was decoded to a space
            value = f"{head}+{tail}"
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError as error:
            raise invalid(name) from error
        try:
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        except OverflowError as error:
            raise invalid(name) from error
