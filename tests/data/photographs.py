"""Pictures with the spectrum of photographs, and what people do to copies of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def photograph(rng: np.random.Generator, height: int = 72, width: int = 96) -> np.ndarray:
    """Return a colour image whose amplitudes fall as one over frequency, (H, W, 3)."""
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    f[0, 0] = 1
    channels = [np.fft.ifft2(np.fft.fft2(rng.standard_normal((height, width))) / f).real] * 2
    channels.append(np.fft.ifft2(np.fft.fft2(rng.standard_normal((height, width))) / f).real)
    image = np.stack([(one - one.mean()) / one.std() for one in channels], axis=2)
    return np.clip(128 + 45 * image, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray, quality: int = 50) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def scaled(image: np.ndarray, factor: float = 0.6) -> np.ndarray:
    height, width = image.shape[:2]
    return np.asarray(Image.fromarray(image).resize((int(width * factor), int(height * factor))))


def cropped(image: np.ndarray, share: float = 0.93, at: tuple[float, float] = (0.7, 0.2)):
    height, width = image.shape[:2]
    kept = round(height * share), round(width * share)
    top, left = int((height - kept[0]) * at[0]), int((width - kept[1]) * at[1])
    return image[top : top + kept[0], left : left + kept[1]]


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1]
