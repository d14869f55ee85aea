"""The estimator gives the maps of infer_maps, several at a time, and buffers come back."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from configs import CheckpointError, ConfigError, FetchError, ModelError
from engine import Estimator, infer_maps, load_network, open_estimator
from engine.model_source import checkpoint_config, find_model
from engine.onnx.export import export_onnx
from engine.onnx.metadata import read_metadata
from tests.engine.golden import TINY, randomised
from tests.support.stand_in import StandIn


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
@pytest.mark.parametrize(
    "options", [{}, {"flip": True}, {"flip": True, "scales": (0.5, 1, 2)}, {"scales": (0.5,)}]
)
def test_maps_are_those_of_the_official_evaluation(runtime, options, lite_onnx, lite_network):
    pytest.importorskip(runtime)
    image = picture(100, 150)
    expected = infer_maps(lite_network, image, input_size=64, map_stride=2, **options)

    with open_estimator(lite_onnx, runtime=runtime, input_size=64, **options) as estimator:
        maps = estimator.result(estimator.submit(image))

    assert maps.tags.shape == expected.tags.shape
    np.testing.assert_allclose(
        maps.heatmaps, expected.heatmaps, atol=2e-3 * np.abs(expected.heatmaps).max()
    )
    np.testing.assert_allclose(maps.tags, expected.tags, atol=2e-3 * np.abs(expected.tags).max())
    points = np.array([[[3, 5, 0.5]]], np.float32)
    np.testing.assert_array_equal(
        maps.alignment.to_image(points), expected.alignment.to_image(points)
    )


@pytest.mark.parametrize(
    ("input_size", "scales", "said"),
    [
        (64, (1.0,), ""),
        ((96, 160), (1.0,), ""),
        (96, (1.0,), "input size of 96 is computed as 128: "),
        (64, (0.5, 1.0), "input size of 64 is computed as 128 with the scales 0.5 1: "),
        ((96, 160), (0.5, 1.0), "160x96 is computed as 192x128 with the scales 0.5 1: "),
    ],
)
def test_a_size_that_the_official_rule_rounds_is_told(lite_onnx, caplog, input_size, scales, said):
    with open_estimator(
        lite_onnx, runtime="onnxruntime", input_size=input_size, scales=scales
    ) as estimator:
        maps = estimator.result(estimator.submit(picture(48, 48)))
        maps.release()
    assert (said in caplog.text) if said else not caplog.text
    rows, columns = maps.alignment.input_size
    used = {64: 64, 96: 128}.get(input_size) if len(scales) == 1 else None
    assert used is None or rows == columns == used


def test_candidates_lie_on_the_maps(lite_onnx):
    with open_estimator(lite_onnx, runtime="onnxruntime", input_size=(64, 96)) as estimator:
        maps = estimator.result(estimator.submit(picture(90, 130)))

    found = maps.candidates
    joint = np.arange(17)[:, None]
    positive = found.score > 0
    assert positive.any()
    np.testing.assert_array_equal(
        maps.heatmaps[joint, found.y, found.x][positive], found.score[positive]
    )
    np.testing.assert_array_equal(maps.tags[joint, found.y, found.x][positive], found.tag[positive])
    assert maps.heatmaps.shape == (17, 32, 48)
    assert maps.alignment.map_size == (32, 48)


def test_maps_that_are_held_are_not_overwritten_and_released_buffers_come_back(lite_onnx):
    with open_estimator(lite_onnx, runtime="onnxruntime", input_size=64) as estimator:
        held = estimator.result(estimator.submit(picture(64, 64)))
        before = held.heatmaps.copy()
        for seed in range(1, 5):
            maps = estimator.result(estimator.submit(picture(64, 64, seed)))
            maps.release()
        np.testing.assert_array_equal(held.heatmaps, before)
        address = maps.heatmaps.ctypes.data
        again = estimator.result(estimator.submit(picture(64, 64)))
        assert again.heatmaps.ctypes.data == address
        held.release()
        held.release()
        again.release()
        tickets = [estimator.submit(picture(64, 64)) for _ in range(3)]
        used = {estimator.result(ticket).heatmaps.ctypes.data for ticket in tickets}
        assert len(used) == 3, "what was released twice was given out twice"


def test_several_images_are_under_way_at_a_time_and_keep_their_order(lite_onnx):
    images = [picture(64, 64, seed) for seed in range(4)]
    with open_estimator(lite_onnx, runtime="onnxruntime", input_size=64) as estimator:
        alone = []
        for image in images:
            maps = estimator.result(estimator.submit(image))
            alone.append(maps.heatmaps.copy())
            maps.release()
        tickets = []
        for image in images:
            reused = image.copy()
            tickets.append(estimator.submit(reused))
            reused[:] = 0  # the caller's buffer is free as soon as submit has returned
        for ticket, expected in zip(tickets, alone, strict=True):
            np.testing.assert_array_equal(estimator.result(ticket).heatmaps, expected)


def test_a_folder_of_many_sizes_keeps_the_slots_of_the_last_ones():
    runtime = StandIn()
    estimator = Estimator("lite", runtime, 64)
    held = estimator.result(estimator.submit(picture(64, 64)))
    sides = range(128, 64 * 13, 64)  # up to the longest input that there is
    sizes = [(64, side) for side in sides] + [(side, 64) for side in sides]
    for height, width in sizes:
        estimator.result(estimator.submit(picture(height, width))).release()

    assert 4 <= runtime.alive() < 20
    held.release()  # of a size that is kept no more
    del held
    assert 4 <= runtime.alive() < 20
    made = runtime.made
    estimator.result(estimator.submit(picture(height, width))).release()
    assert runtime.made == made
    estimator.result(estimator.submit(picture(64, 64))).release()
    assert runtime.made == made + 1


def test_images_that_other_threads_lay_are_what_one_call_makes_of_them():
    for flip, scales in ((False, (1.0,)), (True, (1.0, 2.0))):
        estimator = Estimator("lite", StandIn(marks=True), 64, flip, scales, batch_size=2)
        images = [picture(64, 96, seed) for seed in range(3)]
        expected = [estimator.result(each) for each in estimator.submit_batch(images)]
        preparation = estimator.prepare_batch(images)
        with ThreadPoolExecutor(3) as executor:
            for done in [executor.submit(lay) for lay in reversed(preparation.lay)]:
                done.result()
        found = [estimator.result(each) for each in estimator.submit_prepared(preparation)]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours.heatmaps, theirs.heatmaps)
            assert ours.alignment == theirs.alignment
        assert len({each.heatmaps.flat[0] for each in found}) == 3


def test_after_warming_up_no_slot_is_made_any_more():
    runtime = StandIn(usual_batch=4)
    estimator = Estimator("lite", runtime, 64)
    estimator.warm_up([(64, 96), (96, 64)], batches=(1, 2, 9))
    made = runtime.made

    for count in (1, 2, 4):
        for images in ([picture(64, 96)] * count, [picture(96, 64)] * count):
            tickets = estimator.submit_batch(images) + estimator.submit_batch(images)
            for maps in [estimator.result(ticket) for ticket in tickets]:
                maps.release()

    assert runtime.made == made == 2 * 2 * 3


def test_images_of_changing_size_are_served(lite_onnx):
    with open_estimator(lite_onnx, runtime="onnxruntime", input_size=64) as estimator:
        for size in [(64, 96), (96, 64), (64, 96)]:
            maps = estimator.result(estimator.submit(picture(*size)))
            assert maps.heatmaps.shape[1:] == tuple(-(-side // 64) * 32 for side in size)


def arrays(maps):
    found = maps.candidates
    return [maps.heatmaps, maps.tags, found.x, found.y, found.score, found.tag]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_a_batch_gives_what_its_images_give_alone(runtime, lite_onnx):
    pytest.importorskip(runtime)
    # Three sizes of input; three images of one, which is more than a batch of two and less than one
    # of four.
    images = [
        picture(64, 64),
        picture(64, 96),
        picture(70, 64, 1),
        picture(60, 90, 2),
        picture(64, 64, 3),
        picture(64, 64, 4),
    ]
    with open_estimator(lite_onnx, runtime=runtime, input_size=64, batch_size=4) as estimator:
        alone = [estimator.result(estimator.submit(image)) for image in images]
        copies = [image.copy() for image in images]
        tickets = estimator.submit_batch(copies)
        for image in copies:
            image[:] = 0  # as with `submit`, the caller's again
        together = [estimator.result(ticket) for ticket in tickets]

        assert len({maps.heatmaps.shape for maps in together}) == 3
        for ours, theirs, image in zip(together, alone, images, strict=True):
            assert ours.alignment == theirs.alignment
            assert ours.alignment.image_size == image.shape[:2]
            scale = np.abs(theirs.heatmaps).max()
            np.testing.assert_allclose(ours.heatmaps, theirs.heatmaps, atol=1e-5 * scale)
            np.testing.assert_allclose(
                ours.tags, theirs.tags, atol=1e-5 * np.abs(theirs.tags).max()
            )
            sure = theirs.candidates.score > 0.01 * scale
            np.testing.assert_array_equal(ours.candidates.x[sure], theirs.candidates.x[sure])
            np.testing.assert_array_equal(ours.candidates.y[sure], theirs.candidates.y[sure])


def test_a_flip_tested_batch_gives_what_its_images_give_alone(lite_onnx):
    images = [picture(64, 64, seed) for seed in range(3)]
    with open_estimator(
        lite_onnx, runtime="onnxruntime", input_size=64, flip=True, scales=(0.5, 1), batch_size=2
    ) as estimator:
        alone = [estimator.result(estimator.submit(image)) for image in images]
        together = [estimator.result(ticket) for ticket in estimator.submit_batch(images)]
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(
            ours.heatmaps, theirs.heatmaps, atol=1e-5 * np.abs(theirs.heatmaps).max()
        )
        np.testing.assert_allclose(ours.tags, theirs.tags, atol=1e-5 * np.abs(theirs.tags).max())


def batch_of_4(estimator):
    """The slot of a batch, and its maps, which are to be released."""
    tickets = estimator.submit_batch([picture(64, 64, seed) for seed in range(4)])
    return tickets[0].batch.views[0].slot, [estimator.result(ticket) for ticket in tickets]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_images_of_a_batch_are_released_one_by_one_in_any_order(order, batch_estimator):
    estimator = batch_estimator
    slot, maps = batch_of_4(estimator)
    kept = [each.heatmaps.copy() for each in maps]
    for position, index in enumerate(order):
        for later in order[position:]:
            np.testing.assert_array_equal(maps[later].heatmaps, kept[later])
        # Work goes on in other buffers while some of the batch is held.
        other, more = batch_of_4(estimator)
        assert other is not slot
        for each in more:
            each.release()
        maps[index].release()
        maps[index].release()
    once, twice = batch_of_4(estimator), batch_of_4(estimator)
    assert once[0] is slot, "it did not come back"
    assert twice[0] is not slot, "it was given out twice"
    for each in [*once[1], *twice[1]]:
        each.release()


@pytest.fixture(scope="module")
def batch_estimator(lite_onnx):
    with open_estimator(lite_onnx, runtime="onnxruntime", input_size=64, batch_size=8) as estimator:
        yield estimator


def test_a_batch_is_split_into_few_sizes(batch_estimator):
    tickets = batch_estimator.submit_batch([picture(64, 64, seed) for seed in range(11)])
    for ticket in tickets:
        batch_estimator.result(ticket).release()

    # Runtimes compile for every size of batch: 1, 2, 4 and 8 are all there will be.
    assert [len(ticket.batch.views[0].slot.images) for ticket in tickets] == [8] * 8 + [2, 2, 1]


def test_an_empty_batch_is_no_work(batch_estimator):
    assert batch_estimator.submit_batch([]) == []


def test_it_says_what_it_is(lite_onnx):
    with open_estimator(lite_onnx, runtime="onnxruntime") as estimator:
        assert (estimator.model, estimator.runtime, estimator.precision) == (
            "lite",
            "onnxruntime",
            "fp32",
        )
        assert estimator.keypoint_set.name == "coco"
        assert estimator.input_size == 320
        assert estimator.batch_size == 1  # no CPU runtime gains from more
    estimator.close()


@pytest.mark.parametrize(
    "fields, sides",
    [
        ({"input_size": "480x352"}, "480x352"),
        ({"input_size": "448x320", "scales": (0.5, 1.0)}, "224x160"),
        ({"input_size": 448, "scales": (1.0, 1.5)}, "960x672"),
    ],
)
def test_base_refuses_sides_that_it_cannot_halve(fields, sides):
    with pytest.raises(ConfigError, match=f"multiples of 64, not {sides}"):
        open_estimator("base", **fields)


def test_a_checkpoint_is_exported_once_into_the_cache_and_again_when_that_is_damaged(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network = randomised(load_network("lite"))
    own = {
        "format": "higherhrnet-stream",
        "model": vars(network.config),
        "network": network.state_dict(),
        "ema": None,
    }
    torch.save(own, tmp_path / "weights.pth")

    by_file = find_model(tmp_path / "weights.pth")
    written = by_file.path.stat().st_mtime_ns
    by_name = find_model("lite", tmp_path / "weights.pth")

    assert by_file == by_name
    assert by_name.path.stat().st_mtime_ns == written
    assert by_name.path.is_relative_to(tmp_path / "cache" / "higherhrnet-stream")
    assert by_name.metadata.weights == "weights.pth"

    whole = by_name.path.read_bytes()
    by_name.path.write_bytes(whole[: len(whole) // 2])
    assert find_model("lite", tmp_path / "weights.pth") == by_file
    assert len(by_name.path.read_bytes()) == len(whole)
    assert "the cached model is exported again" in caplog.text


def test_the_preset_of_an_official_checkpoint_is_told_from_its_contents(tmp_path):
    from engine.checkpoints.layouts import to_mmpose

    with torch.device("meta"):
        shapes = load_network("w48_640_crowdpose").state_dict()
    state = {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in shapes.items()
    }
    torch.save({"state_dict": to_mmpose(state)}, tmp_path / "mm.pth")

    assert checkpoint_config(tmp_path / "mm.pth").name == "w48_640_crowdpose"
    torch.save(load_network(TINY).state_dict(), tmp_path / "tiny.pth")
    with pytest.raises(
        ModelError, match=r"fits no preset: it looks like HigherHRNet-W4 for coco \(17 joints\)"
    ):
        checkpoint_config(tmp_path / "tiny.pth")


def test_weights_of_another_preset_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.save(load_network(TINY).state_dict(), tmp_path / "tiny.pth")

    with pytest.raises(CheckpointError, match="does not fit 'lite'"):
        open_estimator("lite", weights=tmp_path / "tiny.pth")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (("w32",), ConfigError, r"unknown model 'w32', did you mean 'w32_512' or 'w32_640'\?"),
        (("w32_51",), ConfigError, r"unknown model 'w32_51', did you mean 'w32_512'\?"),
        (("w40_640",), ModelError, "no weights ship with 'w40_640': give .* --weights"),
        (("w48_640",), ModelError, r"\(published: pose_higher_hrnet_w48_640.pth\)"),
        (("w32_512",), FetchError, "while offline: https://download.openmmlab.com/.*_20200713.pth"),
        (("nowhere.onnx",), ModelError, "No such file"),
        (("nowhere.pth",), ModelError, "no such model file: 'nowhere.pth'"),
        (("w32_512", "nowhere.pth"), ModelError, "no such weights file: 'nowhere.pth'"),
    ],
)
def test_models_that_are_not_there_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        find_model(*arguments)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"input_size": 500}, "multiple of 32, not 500"),
        ({"input_size": "450x320"}, "not 450"),
        ({"scales": (0.05,)}, "scales must be 0.1 to 4, not 0.05"),
        ({"scales": (0.5, 2)}, "include 1"),
        ({"batch_size": 0}, "at least 1, not 0"),
        ({"runtime": "tensorflow"}, "unknown runtime"),
        ({"runtme": "openvino"}, "unknown key 'runtme', did you mean 'runtime'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message, lite_onnx):
    with pytest.raises(ConfigError, match=message):
        open_estimator(lite_onnx, **options)


def test_a_static_model_is_used_at_its_size(lite_network, tmp_path):
    export_onnx(lite_network, tmp_path / "static.onnx", static_size=(64, 96))
    assert read_metadata(tmp_path / "static.onnx").static_size == (64, 96)

    with open_estimator(tmp_path / "static.onnx", runtime="onnxruntime", batch_size=2) as estimator:
        assert estimator.batch_size == 1
        tickets = estimator.submit_batch([picture(64, 96), picture(64, 96)])
        assert [estimator.result(ticket).heatmaps.shape for ticket in tickets] == [(17, 32, 48)] * 2
        assert estimator.result(estimator.submit(picture(200, 200))).heatmaps.shape == (17, 32, 48)
    with (
        open_estimator(tmp_path / "static.onnx", runtime="onnxruntime", input_size=64) as estimator,
        pytest.raises(ConfigError, match="takes one image of 96x64 only"),
    ):
        estimator.submit(picture(64, 64))
