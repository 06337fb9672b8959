"""The latent space, the grid of decoded codes, and the sliders."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from skae import AutoencoderTransformer
from skae.inspection import LatentGridDisplay, LatentSpaceDisplay, explore


def test_codes_lie_where_transform_puts_them(coder, images, labels):
    display = LatentSpaceDisplay.from_estimator(coder, images, labels, dimensions=(2, 0))
    codes = coder.transform(images)[:, [2, 0]]
    assert set(display.scatters_) == {-1, 1}
    for label, points in display.scatters_.items():
        np.testing.assert_allclose(points.get_offsets(), codes[labels == label], rtol=1e-5)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code[2]", "code[0]")
    assert [text.get_text() for text in display.legend_.get_texts()] == ["-1", "1"]
    assert display.colorbar_ is None


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_the_legend_leaves_the_next_picture_alone(layout):
    figure, axes = plt.subplots(1, 2, layout=layout)
    display = LatentSpaceDisplay.from_predictions(np.eye(4), list("abcd"), ax=axes[0])
    figure.canvas.draw()
    assert not display.legend_.get_window_extent().overlaps(axes[1].get_tightbbox())


def test_numbers_get_a_colour_bar(coder, images):
    height = np.linspace(0.0, 1.0, len(images))
    display = LatentSpaceDisplay.from_estimator(coder, images, height)
    np.testing.assert_array_equal(display.scatters_[None].get_array(), height)
    assert display.colorbar_ is not None
    assert display.legend_ is None


def test_codes_without_labels_take_keywords():
    display = LatentSpaceDisplay.from_predictions(np.eye(3), scatter_kwargs={"c": "black", "s": 50})
    assert display.scatters_[None].get_sizes() == [50]
    assert display.scatters_[None].get_facecolor()[0, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dimensions", [(0, 3), (-1, 0), (0,)])
def test_a_number_that_the_code_lacks_is_refused(coder, images, dimensions):
    with pytest.raises(ValueError, match="two numbers below 3, the size of the latent code"):
        LatentSpaceDisplay.from_estimator(coder, images, dimensions=dimensions)
    with pytest.raises(ValueError, match="two numbers below 3, the size of the latent code"):
        LatentGridDisplay.from_estimator(coder, dimensions=dimensions)


def test_every_image_of_the_grid_lies_at_its_code(coder):
    center = np.array([0.5, 0.0, 0.0])
    display = LatentGridDisplay.from_estimator(
        coder, n_steps=3, limits=(-2, 2), dimensions=(1, 2), center=center
    )
    steps = [-2.0, 0.0, 2.0]
    for i, j in np.ndindex(3, 3):
        image = display.images_[i, j]
        left, right, bottom, top = image.get_extent()
        assert ((left + right) / 2, (bottom + top) / 2) == (steps[j], steps[i])
        code = np.array([[0.5, steps[j], steps[i]]], np.float32)
        expected = coder.inverse_transform(code)[0]
        np.testing.assert_allclose(image.get_array(), expected, rtol=1e-4, atol=1e-6)
    assert display.lines_ is None
    assert display.ax_.get_xlabel() == "code[1]"


def test_rows_that_are_no_images_are_drawn_as_signals():
    decoded = np.arange(12.0).reshape(2, 2, 3)
    display = LatentGridDisplay.from_predictions(decoded, [0, 1], [0, 1], line_kwargs={"lw": 3})
    assert display.images_ is None
    heights = display.lines_[1, 0].get_ydata()
    assert np.all(np.diff(heights) > 0)
    assert 0.5 < heights.min() < heights.max() < 1.5
    assert display.lines_[0, 0].get_linewidth() == 3


def test_a_sequence_of_one_channel_is_a_signal():
    display = LatentGridDisplay.from_predictions(np.zeros((1, 2, 50, 1)), [0, 1], [0])
    assert display.lines_.shape == (1, 2)
    assert display.figure_.get_figheight() < 3
    sequences = np.linspace(0, 1, 200).reshape(20, 10, 1)
    coder = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0).fit(sequences)
    assert LatentGridDisplay.from_estimator(coder, n_steps=3).lines_.shape == (3, 3)


def test_the_grid_takes_keywords_for_images():
    display = LatentGridDisplay.from_predictions(
        np.zeros((1, 2, 4, 4)), [0, 1], [0], image_kwargs={"cmap": "magma", "vmax": 2}
    )
    assert display.images_[0, 1].get_cmap().name == "magma"
    assert display.images_[0, 1].get_clim() == (0, 2)


def test_a_grid_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*got \(2, 2, 3\)"):
        LatentGridDisplay.from_predictions(np.zeros((2, 2, 3)), [0, 1], [0])


def test_a_center_of_another_size_is_refused(coder):
    with pytest.raises(ValueError, match=r"a latent code of shape \(3,\); got \(2,\)"):
        LatentGridDisplay.from_estimator(coder, center=[0, 0])


def is_png(value):
    return bytes(value).startswith(b"\x89PNG")


class TestExplore:
    @pytest.fixture(autouse=True)
    def _widgets(self):
        pytest.importorskip("ipywidgets")

    @pytest.fixture
    def shown(self, monkeypatch):
        """Keep every figure that is drawn."""
        figures = []
        save = Figure.savefig
        monkeypatch.setattr(
            Figure,
            "savefig",
            lambda figure, *a, **k: (figures.append(figure), save(figure, *a, **k)),
        )
        return figures

    def test_sliders_begin_at_the_first_row_and_span_the_codes(self, coder, images):
        sliders, picture = explore(coder, images).children
        codes = coder.transform(images)
        assert [slider.description for slider in sliders.children] == [
            "code[0]",
            "code[1]",
            "code[2]",
        ]
        for i, slider in enumerate(sliders.children):
            assert slider.min == pytest.approx(codes[:, i].min())
            assert slider.max == pytest.approx(codes[:, i].max())
            assert slider.value == pytest.approx(codes[0, i])
        assert is_png(picture.value)

    def test_the_picture_follows_a_slider(self, coder, images):
        sliders, picture = explore(coder, images).children
        before, slider = bytes(picture.value), sliders.children[0]
        start = slider.value
        slider.value = slider.max if start < slider.max else slider.min
        assert is_png(picture.value)
        assert bytes(picture.value) != before
        slider.value = start
        assert bytes(picture.value) == before

    def test_without_rows_the_prior_gives_the_limits(self, coder):
        sliders, _ = explore(coder, n_sliders=2).children
        found = [(slider.min, slider.value, slider.max) for slider in sliders.children]
        assert found == [(-3, 0, 3)] * 2

    def test_the_numbers_that_vary_most_get_the_sliders(self, coder, images):
        (slider,) = explore(coder, images, n_sliders=1).children[0].children
        widest = np.ptp(coder.transform(images), axis=0).argmax()
        assert slider.description == f"code[{widest}]"

    def test_signals_are_drawn_as_lines(self, table):
        signals = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0).fit(table)
        assert is_png(explore(signals, table).children[1].value)

    def test_a_sequence_of_one_channel_is_drawn_as_a_line(self, table, shown):
        coder = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0)
        explore(coder.fit(table[:, :, None]), table[:, :, None])
        (ax,) = shown[-1].axes
        assert len(ax.lines) == 1
        assert not ax.images

    def test_without_rows_all_pictures_share_one_range(self, coder, shown):
        for slider in explore(coder).children[0].children:
            slider.value = slider.max
            slider.value = slider.min
            slider.value = 0
        pictures = [figure.axes[0].images[0] for figure in shown]
        (limits,) = {picture.get_clim() for picture in pictures}
        ends = pictures[:3] + pictures[4:6] + pictures[7:9]
        found = [picture.get_array() for picture in ends]
        assert limits == pytest.approx((np.min(found), np.max(found)), rel=1e-5)

    def test_frames_of_polars_give_the_limits_too(self, table, shown):
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame(table, schema=list("abcdef"))
        coder = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0).fit(frame)
        explore(coder, frame)
        low, high = shown[-1].axes[0].get_ylim()
        assert low < table.min() < table.max() < high

    def test_small_codes_keep_their_digits(self, coder):
        slider = explore(coder).children[0].children[0]
        assert slider.readout_format == ".3g"

    def test_no_sliders_are_refused(self, coder):
        with pytest.raises(ValueError, match="n_sliders must be 1 or more, got 0"):
            explore(coder, n_sliders=0)
