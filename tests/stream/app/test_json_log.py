"""Every line a JSON object, whatever happens."""

from __future__ import annotations

import logging
import sys
import threading
import warnings

import pytest

from stream.app.json_log import JsonHandler, log_as_json
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


def test_what_nobody_caught_and_warnings_are_json_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_as_json(logging.WARNING)
    try:
        thread = threading.Thread(target=lambda: [][1], name="lost")
        thread.start()
        thread.join()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.getLogger("stream").info("left out")
    finally:
        logging.captureWarnings(False)
    failed, warned = json_lines(capsys.readouterr().err)
    assert failed["message"] == "IndexError: list index out of range"
    assert failed["level"] == "critical" and "Traceback" in str(failed["exception"])
    assert warned["level"] == "warning" and "DeprecationWarning: old" in str(warned["message"])
