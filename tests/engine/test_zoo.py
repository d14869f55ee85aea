"""Published weights come by the name of their preset, and what is published is told right."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from configs import CheckpointError, ConfigError, FetchError, load_model_config, model_names
from configs.zoo import Checkpoint, load_zoo
from engine import find_model, load_network
from engine.__main__ import main
from engine.checkpoints.layouts import convert_checkpoint, to_mmpose
from engine.model_source import checkpoint_config
from engine.onnx.export import hash_weights
from tests.engine.golden import TINY, randomised
from tests.support.commands import read_record, run
from tests.support.file_server import FileServer, file_server

ROOT = Path(__file__).resolve().parents[2]
Publish = Callable[..., FileServer]


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Serves a file as the published weights of a preset, to an empty cache."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def serve(content: bytes, preset: str = "w32_512", name: str = "stand_in.pth"):
            server = stack.enter_context(file_server(content))
            entry = {
                "preset": preset,
                "file": name,
                "url": f"https://weights.invalid/{name}",
                "sha256": hashlib.sha256(content).hexdigest()[:8],
                "source": "the tests",
                "licence": "Apache-2.0",
            }
            (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"checkpoints": [entry]}))
            monkeypatch.setenv("HIGHERHRNET_ZOO", str(tmp_path / "zoo.yaml"))
            monkeypatch.setenv("HIGHERHRNET_MIRROR", f"{server.url}/mirror/")
            monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path / "cache"))
            monkeypatch.delenv("HIGHERHRNET_OFFLINE", raising=False)
            return server

        yield serve


def test_the_command_fetches_checks_exports_and_runs_a_network_by_its_name(publish, tmp_path):
    network = randomised(load_network("w32_512"))
    torch.save(network.state_dict(), tmp_path / "official.pth")
    convert_checkpoint(tmp_path / "official.pth", tmp_path / "mmpose.pth", "mmpose")
    server = publish((tmp_path / "mmpose.pth").read_bytes())

    words = ["--model", "w32_512", "--input-size", "64", "--frames", "2", "--track", "off"]
    result = run("demo", *words, "-o", tmp_path / "people.jsonl", timeout_s=600)

    assert result.returncode == 0, result.stderr
    assert "fetching the weights of w32_512 once (the tests, Apache-2.0" in result.stderr
    header, frames = read_record(tmp_path / "people.jsonl")
    assert header["model"] == "w32_512"
    assert len(frames) == 2
    fetched = tmp_path / "cache" / "weights" / "stand_in.pth"
    assert fetched.read_bytes() == server.content
    assert server.paths == ["/mirror/stand_in.pth"]
    source = find_model("w32_512", offline=True)  # from the cache, the graph too
    assert source.metadata.weights == "stand_in.pth"
    assert source.metadata.weights_sha256 == hash_weights(network)
    assert len(server.paths) == 1


def test_without_a_network_the_line_says_from_where_where_to_and_what_else(
    publish, tmp_path, monkeypatch
):
    with file_server(b"") as gone:
        pass
    publish(b"weights")
    monkeypatch.setenv("HIGHERHRNET_MIRROR", gone.url)

    result = run("demo", "--model", "w32_512", "-o", tmp_path / "people.jsonl")

    lines = result.stderr.strip().splitlines()
    assert result.returncode == 2
    assert len(lines) == 2 and lines[0].startswith("warning: fetching the weights of w32_512")
    what_to_do = (
        f"put the file at '{tmp_path}/cache/weights/stand_in.pth', give it with --weights, or "
        "take --model lite"
    )
    assert lines[1].startswith(f"error: cannot fetch {gone.url}/stand_in.pth: connection refused")
    assert lines[1].endswith(what_to_do)
    assert not (tmp_path / "people.jsonl").exists()
    with pytest.raises(FetchError, match=f"offline: {gone.url}/stand_in.pth; {what_to_do}"):
        find_model("w32_512", offline=True)


def test_models_are_listed_fetched_found_and_removed(publish, tmp_path, capsys):
    server = publish(b"weights")
    kept = tmp_path / "cache" / "weights" / "stand_in.pth"

    assert main(["models", "path", "w32_512"]) == 2
    assert main(["models", "fetch", "w32_512"]) == 0
    assert kept.read_bytes() == b"weights"
    assert main(["models", "path", "w32_512"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"w32_512: {kept}", str(kept)]
    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert re.search(r"115 MB +28\.6 M +46\.2 +Apache-2\.0 +fetched$", lines["w32_512"])
    assert re.search(r"41\.5 .*10 MB +5\.0 M +1\.8 +Apache-2\.0 +in the package", lines["lite"])
    assert lines["w48_512_udp"].split()[1:] == [
        "69.0",
        "255",
        "MB",
        "63.8",
        "M",
        "95.7",
        "Apache-2.0",
        "published",
    ]
    assert lines["w48_640"].endswith("--weights pose_higher_hrnet_w48_640.pth")
    assert main(["models", "remove", "w32_512"]) == 0
    assert list(kept.parent.iterdir()) == []
    assert server.ranges == [None]


@pytest.mark.parametrize(
    "words, message",
    [
        (["fetch"], "needs names of models, such as w32_512"),
        (["list", "w32_512"], "models list takes no names"),
        (["fetch", "w32_51"], "did you mean 'w32_512'?"),
        (["fetch", "w40_640"], "no weights of 'w40_640' are published under an address"),
        (["burn", "w32_512"], "ACTION must be one of list, fetch, path, remove, not 'burn'"),
        (["fetch", "w32_512"], "while offline"),
    ],
)
def test_mistakes_of_the_models_command_are_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path))

    assert main(["models", *words]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_the_list_has_the_accuracy_and_the_licence_of_what_ships(capsys):
    assert main(["models"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    shipped = {row[0]: row for row in rows if row[-3:] == ["in", "the", "package"]}
    assert {name: row[1] for name, row in shipped.items()} == {"lite": "41.5", "base": "47.3"}
    assert all("Apache-2.0" in row for row in shipped.values())


def test_weights_that_are_given_win(publish, tmp_path):
    server = publish(b"weights")
    torch.save(load_network(TINY).state_dict(), tmp_path / "own.pth")

    with pytest.raises(CheckpointError, match=r"own\.pth' does not fit 'w32_512'"):
        find_model("w32_512", tmp_path / "own.pth")
    assert server.ranges == []


def test_what_was_put_by_hand_where_the_line_says_is_used(publish, tmp_path):
    publish(b"weights")
    kept = tmp_path / "cache" / "weights" / "stand_in.pth"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(__file__, kept)

    with pytest.raises(CheckpointError, match="is not a PyTorch file"):
        find_model("w32_512", offline=True)


class Payload:
    def __reduce__(self):
        return print, ("executed",)


def test_published_code_is_refused_rather_than_run(publish, tmp_path, capsys):
    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    publish((tmp_path / "evil.pth").read_bytes())

    with pytest.raises(CheckpointError, match="code rather than weights"):
        find_model("w32_512")
    assert "executed" not in capsys.readouterr().out


def zeros(preset: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        shapes = load_network(preset).state_dict()
    return {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in shapes.items()
    }


def test_files_of_the_official_repository_and_of_mmpose_are_told_apart(tmp_path):
    state = zeros("w48_640")
    for name, content in {
        "w48_640": {f"1.{name}": tensor for name, tensor in state.items()},
        "w48_512": {"state_dict": to_mmpose(state)},
    }.items():
        torch.save(content, tmp_path / "weights.pth")
        assert checkpoint_config(tmp_path / "weights.pth").name == name


def test_a_published_file_is_known_by_its_hash(publish, tmp_path, caplog):
    torch.save({"state_dict": to_mmpose(zeros("lite"))}, tmp_path / "weights.pth")
    publish((tmp_path / "weights.pth").read_bytes(), preset="w48_512_udp")

    assert checkpoint_config(tmp_path / "weights.pth").name == "w48_512_udp"
    with pytest.raises(CheckpointError):
        find_model("w48_512", tmp_path / "weights.pth")
    assert "weights.pth was trained with alignment udp" in caplog.text
    assert "name w48_512_udp as the model" in caplog.text


def test_every_published_checkpoint_can_be_told_from_others_and_has_a_preset():
    zoo = load_zoo()
    fetchable = [each for each in zoo.checkpoints if each.url is not None]

    assert {each.preset for each in fetchable} == {
        *("w32_512", "w32_640", "w48_512", "w32_512_udp", "w48_512_udp", "w32_512_crowdpose")
    }
    for each in fetchable:
        assert each.url == f"https://download.openmmlab.com/mmpose/bottom_up/{each.file}"
        # as in torch.hub: the first digits of the hash stand behind the last hyphen
        assert each.file.rpartition("-")[2].startswith(f"{each.sha256}_")
        assert each.licence == "Apache-2.0"
        udp = load_model_config(each.preset).alignment == "udp"
        assert udp == ("_udp" in each.file)
    assert {each.preset for each in zoo.checkpoints} <= zoo.networks.keys() <= {*model_names()}
    files = [each.file for each in zoo.checkpoints if each.preset != "base"]  # has lite's
    assert len({*files}) == len(files) == len(zoo.checkpoints) - 1


@pytest.mark.parametrize("name", ["lite", "base", "w32_512", "w32_512_crowdpose"])
def test_what_the_list_says_of_a_network_is_counted(name):
    config = load_model_config(name)
    operations = 0

    def count(layer, inputs, output):
        nonlocal operations
        transposed = isinstance(layer, torch.nn.ConvTranspose2d)
        rows, columns = (inputs[0] if transposed else output).shape[2:]
        weights = layer.weight.numel()
        operations += rows * columns * weights

    with torch.device("meta"):
        network = load_network(config).eval()
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                layer.register_forward_hook(count)
        with torch.inference_mode():
            network(torch.zeros(1, 3, config.input_size, config.input_size))

    cost = load_zoo().networks[name]
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert cost.gmacs == pytest.approx(operations / 1e9, abs=0.05)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"url": "http://example.org/a.pth", "sha256": "0" * 8}, "url must begin with https://"),
        ({"url": "https://example.org/a.pth"}, "sha256 must be there"),
        ({"sha256": "8AE85183"}, "8 to 64 digits in lower case"),
        ({"file": "../a.pth"}, "a plain file name"),
    ],
)
def test_entries_that_could_not_be_fetched_safely_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Checkpoint(**{"preset": "w32_512", "file": "a.pth", **values})


def test_a_zoo_of_ones_own_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "zoo.yaml").write_text("checkpoints: [{preset: w32_512, fil: a.pth}]\n")
    monkeypatch.setenv("HIGHERHRNET_ZOO", str(tmp_path / "zoo.yaml"))

    with pytest.raises(
        ConfigError, match=r"HIGHERHRNET_ZOO=.*unknown key 'fil', did you mean 'file'"
    ):
        load_zoo()
    with pytest.raises(FetchError):
        monkeypatch.delenv("HIGHERHRNET_ZOO")
        find_model("w32_512")
