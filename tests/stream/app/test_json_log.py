"""Every line a JSON object, whatever happens."""

from __future__ import annotations

import logging
import sys

import pytest

from stream.app.json_log import JsonHandler
from tests.support.console import json_lines


def test_a_record_is_one_line_with_its_data_and_without_credentials(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = logging.LogRecord(
        "stream.sources", logging.WARNING, "", 0, "%s: lost\nagain", ("rtsp://me:geheim@a/1",), None
    )
    record.data = {"source": "front", "state": "reconnecting"}
    JsonHandler().handle(record)
    try:
        raise OSError("cannot open rtsp://me:geheim@a/1")
    except OSError:
        failed = logging.LogRecord("a", logging.ERROR, "", 0, "no", None, sys.exc_info())
    JsonHandler().handle(failed)
    text = capsys.readouterr().err
    first, second = json_lines(text)
    assert first["message"] == "rtsp://***@a/1: lost\nagain"
    assert (first["level"], first["logger"]) == ("warning", "stream.sources")
    assert (first["source"], first["state"]) == ("front", "reconnecting")
    assert "Traceback" in str(second["exception"]) and "OSError" in str(second["exception"])
    assert "geheim" not in text
