"""No label, message, record, title or file name shows a character of a password."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from configs.errors import redact_url
from stream.sources import make_source, source_labels
from stream.sources.network import display_name

SECRET = "ZQ"  # stands in every piece of the password, and nowhere else


@st.composite
def _passwords(draw: st.DrawFn) -> str:
    """Any characters, those that mean something in an address and in text among them."""
    special = st.sampled_from("@:/?#[]%&='\"\\ \t\n\u2028!$()*+,;<>^`{|}~")
    between = draw(st.lists(st.one_of(special, st.characters()), min_size=1, max_size=5))
    return SECRET + SECRET.join(between) + SECRET


@given(
    _passwords(),
    st.sampled_from(["rtsp", "http", "rtmp", "srt"]),
    st.sampled_from(["127.0.0.1/live", "camera:554/1", "[::1]:554/x", "host"]),
)
@example("ZQ://ZQ", "rtsp", "host")
@example("ZQ rtsp://ZQ", "rtsp", "camera:554/1")
@example("ZQ'ZQ", "http", "127.0.0.1/live")
@example("ZQ/ZQ", "http", "host")
@example("ZQ@ZQ/ZQ", "http", "127.0.0.1/live")
def test_no_character_of_a_password_is_shown_whatever_it_is(
    password: str, scheme: str, rest: str
) -> None:
    url = f"{scheme}://admin:{password}@{rest}"
    shown = [
        display_name(url),
        *source_labels([url, url]),
        redact_url(f"cannot read {url}: connection refused"),
        redact_url(f"cannot read {url!r}: connection refused"),
        redact_url(f"{url} and {url}"),
    ]
    try:
        shown.append(make_source(url).name)
    except OSError as error:
        shown.append(str(error))
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("text", ["clip.mp4", "a@b.mp4", "no address at all: see a@b", "C:\\a@b"])
def test_text_without_an_address_stays_as_it_is(text: str) -> None:
    assert redact_url(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such file: 'http:/me:ZQ@camera/x.mp4'", "no such file: 'http:/***@camera/x.mp4'"),
        ("no such file: 'rtsp:me:ZQ@camera/x'", "no such file: 'rtsp:***@camera/x'"),
        ("'me:ZQ@10.0.0.1:554/x'", "'***@10.0.0.1:554/x'"),
        ("'//me:ZQ@[::1]:554/x'", "'//***@[::1]:554/x'"),
        ("themes/rtsp:/me:ZQ@camera/x.yaml", "themes/rtsp:/***@camera/x.yaml"),
        (
            "rtsp://h:554/user=admin_password=ZQ_channel=1_stream=0.sdp gone",
            "rtsp://h:554/user=admin_password=***_channel=1_stream=0.sdp gone",
        ),
        ("rtsp://h/user=a&password=ZQ&channel=2", "rtsp://h/user=a&password=***&channel=2"),
        ("http://h/token=ZQ/Pwd=ZQ", "http://h/token=***/Pwd=***"),
    ],
)
def test_passwords_without_slashes_before_them_or_in_paths_are_hidden(
    text: str, shown: str
) -> None:
    """What is typed wrong, or goes through a path, which makes one slash of two; and recorders
    whose addresses have the password in their path.
    """
    assert redact_url(text) == shown


def test_two_channels_of_a_recorder_have_names_of_their_own() -> None:
    channels = [f"rtsp://h/user=admin_password=ZQ_channel={number}" for number in (1, 2)]
    labels = source_labels(channels)
    assert labels[0] != labels[1] and SECRET not in "".join(labels)
