"""Golden values for the schedules and the samplers: `python diffusion.py > diffusion.json`.

Written in numpy from the papers, in forms other than the library's: the ancestral step goes through
the posterior q(x_s | x_t, x_0) of 2006.11239 equation 7, DDIM through its predicted x_0, and
DPM-Solver++ through half log-SNR divided differences.
"""

import json

import numpy as np

T, WIDTH, BATCH = 1000, 3, 2
beta = np.linspace(1e-4, 0.02, T)
linear = np.cumprod(1 - beta)

start = np.array([[0.3, -1.2, 0.7], [1.9, 0.1, -0.4]])


def epsilon(x, t):
    """A network that mixes coordinates and depends on time."""
    return np.tanh(0.8 * x + 0.3 * np.roll(x, 1, axis=1)) * (0.5 + t / 2000)


def noise(i):
    return np.sin(1.7 * i + np.arange(BATCH * WIDTH)).reshape(BATCH, WIDTH)


def times(n):
    return [T - 1] if n == 1 else [int(np.floor((T - 1) * i / (n - 1) + 0.5)) for i in range(n)][::-1]


def walk(n):
    t = times(n)
    return zip(range(n), t, [linear[s] for s in t], [linear[s] for s in t[1:]] + [1.0])


def ddpm(n):
    x = start
    for i, t, a, s in walk(n):
        x0 = (x - np.sqrt(1 - a) * epsilon(x, t)) / np.sqrt(a)
        step_beta = 1 - a / s
        mean = np.sqrt(s) * step_beta / (1 - a) * x0 + np.sqrt(a / s) * (1 - s) / (1 - a) * x
        x = mean + np.sqrt((1 - s) / (1 - a) * step_beta) * noise(i)
    return x


def ddim(n, eta):
    x = start
    for i, t, a, s in walk(n):
        e = epsilon(x, t)
        x0 = (x - np.sqrt(1 - a) * e) / np.sqrt(a)
        sigma = eta * np.sqrt((1 - s) / (1 - a)) * np.sqrt(1 - a / s)
        x = np.sqrt(s) * x0 + np.sqrt(1 - s - sigma**2) * e + sigma * noise(i)
    return x


def dpm_solver_pp_2m(n):
    x, history = start, []
    for i, t, a, s in walk(n):
        x0 = (x - np.sqrt(1 - a) * epsilon(x, t)) / np.sqrt(a)
        history.append((np.log(np.sqrt(a) / np.sqrt(1 - a)), x0))
        if s == 1.0:
            return x0
        lam = np.log(np.sqrt(s) / np.sqrt(1 - s))
        h = lam - history[-1][0]
        x = np.sqrt(1 - s) / np.sqrt(1 - a) * x + np.sqrt(s) * (1 - np.exp(-h)) * x0
        if i > 0:
            derivative = (x0 - history[-2][1]) / (history[-1][0] - history[-2][0])
            x = x + 0.5 * h * np.sqrt(s) * (1 - np.exp(-h)) * derivative


def euler(n):
    x, t, h = start, 0.0, np.pi / 2 / n
    for _ in range(n):
        x, t = x + h * epsilon(x, t), t + h
    return x


def heun(n):
    x, t, h = start, 0.0, np.pi / 2 / n
    for _ in range(n):
        d = epsilon(x, t)
        x, t = x + h / 2 * (d + epsilon(x + h * d, t + h)), t + h
    return x


def ab2(n):
    x, t, h, before = start, 0.0, np.pi / 2 / n, None
    for _ in range(n):
        d = epsilon(x, t)
        x, t, before = x + h * (d if before is None else 3 / 2 * d - before / 2), t + h, d
    return x


at = [0, 1, 10, 500, 998, 999]
print(
    json.dumps(
        {
            "at": at,
            "linear": [linear[t] for t in at],
            "start": start.ravel().tolist(),
            "samples": {
                f"{name} {n}": sampler(n).ravel().tolist()
                for name, sampler, counts in [
                    ("ddpm", ddpm, (1, 7, 1000)),
                    ("ddim", lambda n: ddim(n, 0.0), (1, 7, 1000)),
                    ("ddim eta 0.5", lambda n: ddim(n, 0.5), (7,)),
                    ("dpm-solver++", dpm_solver_pp_2m, (1, 7, 50)),
                    ("euler", euler, (1, 7)),
                    ("heun", heun, (1, 7)),
                    ("ab2", ab2, (1, 7)),
                ]
                for n in counts
            },
        },
        indent=1,
    )
)
