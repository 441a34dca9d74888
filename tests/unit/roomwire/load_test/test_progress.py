import io

from roomwire.load_test.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_fits_and_is_written_over(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    progress = Progress(terminal)
    progress.show("joining: 1 of 5", now=0.0)
    progress.show("a line of more than twenty characters", now=0.1)
    progress.end()

    assert terminal.getvalue() == "\r\033[Kjoining: 1 of 5" + "\r\033[Ka line of more than" + "\r\033[K"


def test_elsewhere_a_line_is_printed_now_and_then():
    stream = io.StringIO()
    progress = Progress(stream)
    for second in range(7):
        progress.show(f"second {second}", now=float(second))
    progress.end()

    assert stream.getvalue() == "second 0\nsecond 5\n"
