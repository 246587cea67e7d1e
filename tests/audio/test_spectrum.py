import numpy as np
import pytest

from foleyd.audio import spectrum


def test_mel_scale_is_linear_then_logarithmic() -> None:
    # Slaney's own anchors: 15 mels at 1 kHz, and 27 more for each factor of 6.4
    assert spectrum.hz_to_mel(1000.0) == pytest.approx(15.0)
    assert spectrum.hz_to_mel(6400.0) == pytest.approx(42.0)
    assert spectrum.hz_to_mel(500.0) == pytest.approx(7.5)
    hertz = np.linspace(0.0, 20_000.0, 333)
    np.testing.assert_allclose(spectrum.mel_to_hz(spectrum.hz_to_mel(hertz)), hertz, atol=1e-8)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 192_000])
def test_a_full_scale_sine_reads_one_in_its_bin(rate: int) -> None:
    window = spectrum.window_frames(rate)
    assert window / rate >= 0.040
    hertz = rate / window * 40
    sine = np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    middle = spectrum.magnitudes(sine, window, window // 4)[8]
    assert int(middle.argmax()) == 40
    assert middle[40] == pytest.approx(1.0, abs=1e-3)


def test_log_mel_puts_a_tone_in_its_band_and_time() -> None:
    rate = 48_000
    sound = np.zeros(rate)
    sound[24_000:] = np.sin(2 * np.pi * 3000.0 * np.arange(24_000) / rate)
    levels = spectrum.log_mel(sound, rate, bands=128, columns=500)
    assert levels.shape[1] == 128
    assert 480 <= levels.shape[0] <= 520
    edges = spectrum.mel_to_hz(np.linspace(0.0, float(spectrum.hz_to_mel(rate / 2)), 130))
    band = int(levels[levels.shape[0] * 3 // 4].argmax())
    assert edges[band] < 3000.0 < edges[band + 2]
    assert levels.max() == 0.0
    assert levels[: levels.shape[0] // 3].max() == -80.0


def test_silence_and_a_single_frame_have_a_spectrum() -> None:
    assert (spectrum.log_mel(np.zeros(10), 48_000) == -80.0).all()
    assert spectrum.log_mel(np.ones(1), 48_000).max() == 0.0
