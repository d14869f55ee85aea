"""The command `build`: an engine file for a runtime, measured."""

from __future__ import annotations

from configs.commands import Say
from engine.build import BuildConfig, build_engine
from engine.commands.verify import group_people, in_a_line


def run_build(config: BuildConfig, say: Say) -> None:
    """Builds, and says what was measured; raises what `build_engine` raises."""
    description, folder = build_engine(config, group_people)
    key = description.key
    say(f"{folder}: {key.library} {key.version}, {key.precision}, for {key.gpu}")
    parity = description.parity
    say(f"parity: {in_a_line(parity) if parity else 'not measured'}")
    if description.latency_ms:
        say(f"latency: {in_a_line(description.latency_ms)} ms")
