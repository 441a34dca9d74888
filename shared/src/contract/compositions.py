"""Compositions between services: where their files are."""


def composition_file(composition_sid: str, file_format: str) -> str:
    """Where the compositor leaves the file, below the data folder that it shares with rooms-api. `file_format` is `mp4` or `webm`."""
    return f"compositions/{composition_sid}.{file_format}"
