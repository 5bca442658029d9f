"""Training of remaining life in small: units that wear at a steady rate, half of them cut short."""

from __future__ import annotations

import numpy as np
import pytest

from models.hvac import survival
from models.hvac.infer import open_model, runtime
from models.hvac.points import Floats

pytest.importorskip("tensorflow")

from models.hvac import survival_train
from models.hvac.survival_train import Design, Lives

ENDS = (10.0, 20.0, 40.0, 60.0, 80.0)
WINDOW = 10
SMALL = Design(
    ends=ENDS,
    filters=(8,),
    hidden=(12,),
    members=2,
    steps=300,
    batch=128,
    learning_rate=0.01,
    mean_weight=3.0,
    dropout=0.0,
)


def worn(units: int, seed: int, first: int = 0) -> tuple[Lives, Floats]:
    """Wear grows from 0 to 1 over a life of 40 to 120; every other unit is cut at half of it. And the true time left."""
    draw = np.random.default_rng(seed)
    parts, truth = [], []
    for unit in range(units):
        life = int(draw.integers(40, 120))
        cut = life // 2 if unit % 2 else life
        wear = (np.arange(life) / life)[:, None] + draw.normal(0, 0.03, (life, 1))
        speed = np.full((life, 1), 60 / life)
        at = np.arange(0, cut, 3)
        until = cut if unit % 2 else np.inf
        left = (cut - at).astype(np.float32)
        parts.append(
            Lives(
                survival.windows(np.concatenate([wear, speed], axis=1).astype(np.float32), at, WINDOW),
                left,
                np.full(len(at), until - at if unit % 2 else np.inf, dtype=np.float32),
                np.full(len(at), unit % 2 == 0),
                np.full(len(at), first + unit),
            )
        )
        truth.append((life - at).astype(np.float32))
    return survival_train.concatenated(parts), np.concatenate(truth)


@pytest.fixture(scope="module")
def fleet() -> tuple[Lives, Floats]:
    return worn(60, 1)


def test_life_left_is_told_though_half_of_the_lives_were_cut(fleet: tuple[Lives, Floats]) -> None:
    lives, _ = fleet
    model = survival_train.averaged(survival_train.train(lives, SMALL, seed=3))
    served, small = open_model(survival_train.to_tflite(model)), survival_train.to_int8(model, _flat(lives))
    unseen, truth = worn(40, 2, first=1000)
    logits = served(_flat(unseen))
    assert np.allclose(logits, model(_flat(unseen)).numpy(), atol=1e-4)

    told = survival.curves(logits, ENDS).mean()
    capped = np.minimum(truth, ENDS[-1])
    guess = np.sqrt(np.mean((capped - capped.mean()) ** 2))
    assert np.sqrt(np.mean((told - capped) ** 2)) < 0.5 * guess
    # Cut lives taken for failures would make all of them look short.
    assert abs((told - capped).mean()) < 6

    _, interpreter_class = runtime()
    details = interpreter_class(model_content=small)
    types = {tensor["dtype"] for tensor in details.get_tensor_details()}
    assert np.float32 not in types
    coarse = survival.curves(open_model(small)(_flat(unseen)), ENDS).mean()
    assert np.sqrt(np.mean((coarse - told) ** 2)) < 4


def test_equal_seeds_give_equal_files(fleet: tuple[Lives, Floats]) -> None:
    lives, _ = fleet
    tiny = Design(ends=ENDS, filters=(4,), hidden=(), members=1, steps=5, batch=32)
    once, again, other = (
        survival_train.to_tflite(survival_train.averaged(survival_train.train(lives, tiny, seed))) for seed in (5, 5, 6)
    )
    assert once == again
    assert once != other


def _flat(lives: Lives) -> Floats:
    return lives.values.reshape(len(lives.values), -1)
