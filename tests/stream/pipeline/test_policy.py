import pytest

from configs import ConfigError
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy, parse_policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("every-frame", EVERY_FRAME),
        ("latest", LATEST),
        ("max-age", Policy(kind="max-age", max_age_s=0.5)),
        ("max-age=300ms", Policy(kind="max-age", max_age_s=0.3)),
        ("max-age=1.5s", Policy(kind="max-age", max_age_s=1.5)),
    ],
)
def test_a_policy_is_read_from_its_name(text: str, policy: Policy) -> None:
    read = parse_policy(text)
    assert (read.kind, read.max_age_s) == (policy.kind, pytest.approx(policy.max_age_s))
    assert parse_policy(str(read)).kind == policy.kind


@pytest.mark.parametrize(
    "text", ["", "newest", "latest=3s", "max-age=", "max-age=-1s", "max-age=0ms", "max-age=s"]
)
def test_anything_else_is_refused_with_the_text_in_the_message(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--policy .* such as max-age=300ms") as caught:
        parse_policy(text, "--policy")
    assert repr(text) in str(caught.value)
