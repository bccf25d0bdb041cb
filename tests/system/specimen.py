"""The specimen behind the simulated stack compact.ome.tif, made again from its seed: beads, filaments, shells and nuclei in
64x512x512 voxels of 250x100x100 nm that reach beyond the field on all sides. The order of the random draws is what
makes it that specimen; `residual` proves that it is."""
import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter

FIELD = (64, 512, 512)
VOXEL_NM = np.array([250.0, 100.0, 100.0])
SEED = 20240601
PHOTONS = 6.0      # per unit of the drawing
BACKGROUND = 2.0   # photons, uniform
READ_NOISE = 1.5


def window(centre, reach, shape):
    """Slices of the box centre ± reach, clipped; None when it is empty."""
    low = [max(int(c) - r, 0) for c, r in zip(centre, reach)]
    high = [min(int(c) + r + 1, n) for c, r, n in zip(centre, reach, shape)]
    return None if any(a >= b for a, b in zip(low, high)) else tuple(slice(a, b) for a, b in zip(low, high))


def add_spots(volume, positions, amplitudes):
    """Gaussian spots, sigma 0.5 x 0.9 x 0.9 voxels."""
    for position, amplitude in zip(positions, np.broadcast_to(amplitudes, len(positions))):
        box = window([int(round(p)) for p in position], (3, 3, 3), volume.shape)
        if box is None:
            continue
        z, y, x = (np.exp(-0.5 * ((np.arange(s.start, s.stop) - p) / sigma) ** 2)
                   for s, p, sigma in zip(box, position, (0.5, 0.9, 0.9)))
        volume[box] += amplitude * z[:, None, None] * y[None, :, None] * x[None, None, :]


def filament(rng, low, high, shape):
    """A persistent random walk of 900 steps of 60 nm, in voxels."""
    point = np.array([rng.uniform(low, high), rng.uniform(0, shape[1]), rng.uniform(0, shape[2])]) * VOXEL_NM
    direction = rng.normal(size=3)
    direction[0] *= 0.35
    direction /= np.linalg.norm(direction)
    amplitude, points = rng.uniform(60, 260), []
    for _ in range(900):
        direction += rng.normal(size=3) * np.array([0.02, 0.05, 0.05])
        direction /= np.linalg.norm(direction)
        point = point + direction * 60.0
        if not low * VOXEL_NM[0] < point[0] < high * VOXEL_NM[0]:
            direction[0] *= -1
        points.append(point / VOXEL_NM)
    return np.array(points), amplitude


def add_body(rng, volume, low, high, is_shell):
    """A membrane (shell) or a textured nucleus (ball)."""
    centre = [rng.uniform(low, high), rng.uniform(0, volume.shape[1]), rng.uniform(0, volume.shape[2])]
    radius = rng.uniform(1500, 5000)
    reach = (int(radius / VOXEL_NM[0]) + 4, int(radius / VOXEL_NM[1]) + 6, int(radius / VOXEL_NM[2]) + 6)
    low_corner = [max(int(c) - r, 0) for c, r in zip(centre, reach)]
    high_corner = [min(int(c) + r + 1, n) for c, r, n in zip(centre, reach, volume.shape)]
    if any(a >= b for a, b in zip(low_corner, high_corner)):
        return
    box = tuple(slice(a, b) for a, b in zip(low_corner, high_corner))
    z, y, x = np.ix_(*((np.arange(s.start, s.stop) - c) * v for s, c, v in zip(box, centre, VOXEL_NM)))
    distance = np.sqrt(z * z + y * y + x * x)
    if is_shell:
        volume[box] += rng.uniform(60, 200) * np.exp(-0.5 * ((distance - radius) / 100.0) ** 2)
        return
    texture = gaussian_filter(rng.normal(size=distance.shape).astype(np.float32), (1.2, 3, 3))
    texture = np.clip(1 + 2.5 * texture / texture.std() * 0.25, 0.1, None)
    volume[box] += rng.uniform(15, 60) * (distance < radius) * texture


def make(psf):
    """The truth in the field and its noiseless image through the PSF (sum 1), both in photons, float64."""
    rng = np.random.default_rng(SEED)
    margin = np.array(psf.shape) // 2
    volume = np.zeros(np.array(FIELD) + 2 * margin, np.float32)
    low, high = margin[0] - 12, margin[0] + FIELD[0] + 12
    count = 700
    positions = [rng.uniform(low, high, count), rng.uniform(0, volume.shape[1], count),
                 rng.uniform(0, volume.shape[2], count)]
    add_spots(volume, np.transpose(positions), rng.uniform(400, 4000, count))
    for _ in range(90):
        add_spots(volume, *filament(rng, low, high, volume.shape))
    for i in range(40):
        add_body(rng, volume, low, high, i % 2 == 1)
    volume = PHOTONS * volume.astype(float) + BACKGROUND
    size = [scipy.fft.next_fast_len(n, real=True) for n in volume.shape]
    blurred = scipy.fft.irfftn(scipy.fft.rfftn(volume, size) * scipy.fft.rfftn(psf.astype(float), size), size)
    field = tuple(slice(m, m + n) for m, n in zip(margin, FIELD))
    seen = tuple(slice(2 * m, 2 * m + n) for m, n in zip(margin, FIELD))
    return volume[field], np.maximum(blurred[seen], 0)


def residual(stack, blurred):
    """Mean and standard deviation of what a stack differs from its noiseless image by, in units of the noise expected:
    0 and 1 when it is this specimen's stack."""
    bright = blurred > 8
    noise = np.sqrt(blurred[bright] + READ_NOISE**2 + 1 / 12)
    difference = (stack[bright] - blurred[bright]) / noise
    return difference.mean(), difference.std()
