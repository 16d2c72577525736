"""What runtimes print, as people are shown it. The transcripts and what they look like are those of the Go SDK."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aod import StreamEvent
from aod.pretty import ClaudeFormatter, Printer, cleaned

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "go" / "pretty" / "testdata").glob("*/*.jsonl"))
RUNTIMES = ["claude", "codex", "gemini", "opencode"]


def shown(runtime: str, said: str, size: int) -> str:
    printer = Printer(runtime)
    pieces = (said[i : i + size] for i in range(0, len(said), size))
    return "".join(printer.feed(piece) for piece in pieces) + printer.flush()


def test_there_are_transcripts_of_all_four() -> None:
    assert len(TRANSCRIPTS) >= 12
    assert {path.parent.name for path in TRANSCRIPTS} == set(RUNTIMES)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_output_is_shown_as_go_shows_it(path: Path, size: int) -> None:
    assert shown(path.parent.name, path.read_text(), size) == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_lines_that_are_not_the_runtimes_are_shown_as_they_are(runtime: str) -> None:
    said = 'plain words\n{"no":"type"}\n[1]\n\nnot { json\n{"type":7}\nthe last'
    want = 'plain words\n{"no":"type"}\n[1]\nnot { json\n{"type":7}\nthe last\n'
    assert shown(runtime, said, 3) == want


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_line_is_too_strange(runtime: str) -> None:
    odd: list[Any] = [None, 7, "x", [], {}, [[]], {"type": 7}]
    keys = ("message", "item", "part", "usage", "stats", "error", "tools", "mcp_servers", "timestamp")
    for kind in ("system", "assistant", "result", "item.completed", "message", "tool_use", "step_finish", "error"):
        for value in odd:
            line = json.dumps({"type": kind, "subtype": "init", "role": "assistant", **dict.fromkeys(keys, value)})
            assert isinstance(shown(runtime, line + "\n", 50), str)
            list(ClaudeFormatter().feed(line + "\n"))


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m\n", "red\n"),
        ("\x1b]0;title\x07after\x1b]8;;http://x\x1b\\x\n", "afterx\n"),
        ("\x1b]52;c;never closed\nnext line\n", "\nnext line\n"),
        ("\x1bPq#0\x1b\\dcs\x1b(Bset\x1b=k\n", "dcssetk\n"),
        ("10%\r20%\rdone\r\n", "10%\n20%\ndone\n"),
        ("bell\a null\x00 del\x7f back\b\n", "bell null del back\n"),
        ("\u009b31mC1\u009d0;t\u009c \u0085next\n", "C1 next\n"),
        ("user\u202egpj.exe\u2066x\n", "usergpj.exex\n"),
        ("größer 日本語 👩‍💻\n", "größer 日本語 👩‍💻\n"),
        ("\x1b[2\x1b[Jx\n", "x\n"),
        ("half \ud800 pair\n", "half  pair\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_what_a_terminal_would_obey_is_left_out(said: str, want: str, size: int) -> None:
    assert shown("shell", said, size) == want


def test_names_of_tools_are_cleaned_too() -> None:
    call = {"type": "tool_use", "name": "B\x1bash", "input": {"command": "x\x1b[1A"}}
    line = {"type": "assistant", "message": {"content": [{"type": "text", "text": "\x1b]0;owned\a\x1b[2Jhi"}, call]}}
    assert shown("claude", json.dumps(line), 50) == "hi\n→ Bsh x\n"
    assert cleaned("a\x1b[31mb\nc") == "ab c"


def test_only_standard_output_is_consumed() -> None:
    def event(kind: str, **extra: Any) -> StreamEvent:
        return StreamEvent(type=kind, id=1, extra=extra)

    printer, formatter = Printer("shell"), ClaudeFormatter()
    for other in (event("stage", stage="skills"), event("output", stream="stderr", data="x\n"), event("output")):
        assert printer.consume(other) == ""
        assert list(formatter.consume(other)) == []
    assert printer.consume(event("output", stream="stdout", data="x\n")) == "x\n"
    assert list(formatter.consume(event("output", stream="stdout", data="x\n"))) == ["x"]


def lines_of(*objects: Any) -> Iterator[str]:
    formatter = ClaudeFormatter()
    for one in objects:
        yield from formatter.feed(json.dumps(one) + "\n")


def message(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"content": list(blocks)}, **more}


def used(tool: str, **given: Any) -> dict[str, Any]:
    return message({"type": "tool_use", "name": tool, "input": given})


def test_formatter_shows_what_it_always_has() -> None:
    said = [
        {"type": "system", "subtype": "init", "model": "m", "tools": ["a", "b"], "mcp_servers": [{"name": "x"}]},
        {"type": "system", "subtype": "task_started", "description": "d"},
        message({"type": "thinking", "thinking": "a\n" + "b" * 300}),
        message({"type": "text", "text": "one\ntwo\n"}, parent_tool_use_id="p"),
        used("Bash", command="ls\n-l"),
        used("Read"),
        used("Grep", pattern="p", path="q"),
        used("TodoWrite", todos=[1, 2]),
        used("mcp__x__y", name="n", path="p"),
        {"type": "result", "subtype": "success", "duration_ms": 1234, "num_turns": 3, "total_cost_usd": 0.01234},
        {"type": "result", "subtype": "error_max_turns"},
        {"type": "user", "message": {"content": "nothing"}},
    ]
    assert list(lines_of(*said)) == [
        "⚙️  Session init · model=m, tools=2, mcp=[x]",
        "🚀 Task spawned · d",
        "💭 a " + "b" * 197 + "…",
        "  ✉️  one\n  two",
        "🔧 Bash · ls -l",
        "📖 Read · (no path)",
        "🔍 Grep · p in q",
        "📋 TodoWrite · 2 todo(s)",
        "🛠️  mcp__x__y · n",
        "✨ Done · agent 1.2s, 3 turns, tokens $0.0123",
        "⚠️  Done · agent 0.0s",
    ]


def test_formatter_flushes_once() -> None:
    formatter = ClaudeFormatter()
    assert list(formatter.feed("abc\r\n\n\r\ndef")) == ["abc"]
    assert list(formatter.flush()) == ["def"]
    assert list(formatter.flush()) == []
