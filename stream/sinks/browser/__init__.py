"""A page in the browser: live images, numbers and buttons, served from here without anything from
elsewhere.
"""

from stream.sinks.browser.config import BrowserConfig
from stream.sinks.browser.sink import BrowserSink

__all__ = ["BrowserConfig", "BrowserSink"]
