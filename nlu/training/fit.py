"""Fits the network: a head from the closed-form start, then the tuned layers and both heads together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlu.data.examples import OUTLIER
from nlu.encoder import Encoder
from nlu.engine.network import Network, two_heights
from nlu.engine.signals import by_length
from nlu.entities import IGNORED
from nlu.training.adapters import adapted
from nlu.training.checkpoints import Checkpoints
from nlu.training.options import TrainingOptions
from nlu.training.prepare import Prepared
from nlu.training.team import team
from nlu.training.variation import Drawn, batched, tagged, varied
from nlu.types import Tune

RIDGE = 0.02
"""Weight of the squared norm against the sum of the losses; 0.01 to 0.05 differ little."""
_STEPS, _STEPS_FROM_NEAR = 100, 40
"""At most. On the demo's examples with 500 new ones the loss is 0.29252 after all, and 0.29257 after 40 from near."""
_POOL = 20
"""Batches are cut from a shuffled pool of this many, sorted by length within it."""


@dataclass(frozen=True, slots=True)
class Epoch:
    number: int
    loss: float


Head = tuple[Tensor, Tensor]
"""Weights and bias."""


def logistic(
    inputs: Tensor,
    classes: Tensor,
    count: int,
    ridge: float = RIDGE,
    counting: Tensor | None = None,
    *,
    near: Head | None = None,
) -> Head:
    """A multinomial logistic regression; `counting`: how much each row counts, else alike; `near`: a solution for
    almost the same rows, from which few steps are needed."""
    first = near or (inputs.new_zeros(count, inputs.shape[1]), inputs.new_zeros(count))
    weight, bias = (one.clone().requires_grad_() for one in first)
    steps = _STEPS_FROM_NEAR if near else _STEPS
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _mean(functional.cross_entropy(inputs @ weight.T + bias, classes, reduction="none"), counting)
        loss = loss + ridge / len(inputs) * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return weight.detach(), bias.detach()


def _mean(losses: Tensor, counting: Tensor | None) -> Tensor:
    return losses.mean() if counting is None else (losses * counting).sum() / counting.sum()


@dataclass(frozen=True, slots=True)
class Stage:
    """One fit of a training's several."""

    name: str
    checkpoints: Checkpoints
    after_epoch: Callable[[Network, Epoch], None]


def fit(encoder: Encoder, prepared: Prepared, rows: Sequence[int], options: TrainingOptions, stage: Stage) -> Network:
    """A network tuned on the examples at `rows`. It shares the encoder, whose tuned layers begin anew, or where the
    stage's checkpoints end.

    Of few examples it is the mean of several, which began alike and saw the examples in another order (model soups,
    Wortsman et al. 2022).
    """
    start = solved(prepared, rows)
    several: list[dict[str, Tensor]] = []
    for turn in range(options.averaged):
        network = _tuned(encoder, prepared, rows, (options, turn, start), stage)
        several.append({name: weight.detach().clone() for name, weight in network.learnt()})
    with torch.no_grad():
        for name, weight in network.learnt():
            weight.copy_(torch.stack([one[name] for one in several]).mean(0))
    return network


def _tuned(
    encoder: Encoder,
    prepared: Prepared,
    rows: Sequence[int],
    how: tuple[TrainingOptions, int, tuple[Tensor, Tensor]],
    stage: Stage,
) -> Network:
    options, turn, start = how
    torch.manual_seed(options.seed)
    encoder.fork(encoder.shape.tuned, options.dropout)
    network = Network(encoder, len(prepared.names), prepared.tag_count).to(prepared.embeddings.device)
    _warm_start(network, *start)
    adapters = adapted(encoder.tuned_layers, options.dropout) if options.tune is Tune.ADAPTERS else None
    optimizer, schedule = _optimizer(network, options, _steps(len(rows), options))
    shuffle = random.Random(options.seed * 1000 + turn)  # noqa: S311  # must be repeatable, keeps no secret
    course, name = _Course(network, optimizer, schedule, shuffle), f"{stage.name}-{turn}"
    together = team()
    done = course.restored(together.told(lambda: stage.checkpoints.read(name)))
    together.begin_alike(weight for _, weight in network.learnt())
    encoder.tuned_layers.eval()
    for number in range(done + 1, options.epochs + 1):
        encoder.tuned_layers.train()
        losses = []
        for batch in _batches(prepared, rows, options.batch, shuffle):
            drawn = [varied(prepared, row, options, shuffle) for row in batch]
            loss = _loss(network, prepared, (batch, drawn), options)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            together.add_up(weight for _, weight in network.learnt() if weight.requires_grad)
            nn.utils.clip_grad_norm_(encoder.tuned_layers.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.detach() * len(batch))  # as a number when all are there: it is waited for
        encoder.tuned_layers.eval()
        total = together.total(float(torch.stack(losses).sum()))
        stage.after_epoch(network, Epoch(turn * options.epochs + number, total / len(rows)))
        stage.checkpoints.write(name, course.state(number))
    if adapters is not None:
        adapters.merge_and_unload()
    return network


@dataclass(frozen=True, slots=True)
class _Course:
    """All that changes while a network is tuned."""

    network: Network
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    shuffle: random.Random

    def state(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "weights": {name: weight.detach() for name, weight in self.network.learnt()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "shuffle": self.shuffle.getstate(),
            "random": torch.get_rng_state(),
            "random_on_gpu": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restored(self, state: Mapping[str, Any] | None) -> int:
        """The epochs that are done."""
        if state is None:
            return 0
        with torch.no_grad():
            for name, weight in self.network.learnt():
                weight.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.shuffle.setstate(state["shuffle"])
        torch.set_rng_state(state["random"])
        if state["random_on_gpu"]:
            torch.cuda.set_rng_state_all(state["random_on_gpu"])
        return int(state["epoch"])


def solved(prepared: Prepared, rows: Sequence[int], near: Head | None = None) -> Head:
    """The intent head on the frozen encoder; `near`: that of almost the same rows."""
    known = [row for row in rows if prepared.intents[row] != OUTLIER]
    inputs = two_heights(prepared.low[known], prepared.embeddings[known])
    counting = prepared.weights[known]
    return logistic(inputs, prepared.intents[known], len(prepared.names), counting=counting, near=near)


def _warm_start(network: Network, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        for head in (network.intents, network.start):
            head.weight.copy_(weight)
            head.bias.copy_(bias)


def _steps(examples: int, options: TrainingOptions) -> int:
    return options.epochs * -(-examples // options.batch)


def _optimizer(
    network: Network, options: TrainingOptions, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW; the rate rises over the first tenth of the steps and falls to zero."""
    tuned = [weight for weight in network.encoder.tuned_layers.parameters() if weight.requires_grad]
    rate = options.adapter_learning_rate if options.tune is Tune.ADAPTERS else options.learning_rate
    heads = [*network.intents.parameters(), *(network.tags.parameters() if network.tags is not None else ())]
    groups = [
        {"params": tuned, "lr": rate},
        {"params": heads, "lr": options.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    rise = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, max(0.0, (steps - step) / max(1, steps - rise)))
    )
    return optimizer, schedule


def _batches(prepared: Prepared, rows: Sequence[int], size: int, shuffle: random.Random) -> Iterator[list[int]]:
    """Every row once, with others of about its length, in an order that differs by epoch."""
    order = list(rows)
    shuffle.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _POOL):
        pool = sorted(order[start : start + size * _POOL], key=lambda row: len(prepared.hidden[row]))
        batches += [pool[first : first + size] for first in range(0, len(pool), size)]
    shuffle.shuffle(batches)
    return iter(batches)


def _loss(
    network: Network, prepared: Prepared, batch: tuple[Sequence[int], Sequence[Drawn]], options: TrainingOptions
) -> Tensor:
    """Cross-entropy of intents and tags: this process's part of the batch's loss."""
    rows, drawn = list(team().share(batch[0])), team().share(batch[1])
    if not rows:
        return torch.zeros((), device=prepared.intents.device, requires_grad=True)
    seen = batched(prepared, drawn)
    _, scores, tags = network.heads(seen.hidden, seen.mask)
    loss = intent_losses(scores, prepared.intents[rows], options) @ prepared.weights[rows] / len(batch[0])
    if tags is not None:
        wanted = seen.tags.flatten()
        summed = functional.cross_entropy(tags.flatten(0, 1), wanted, ignore_index=IGNORED, reduction="sum")
        loss = loss + options.tag_weight * summed / max(1, tagged(prepared, batch[1]))
    return loss


def intent_losses(scores: Tensor, intents: Tensor, options: TrainingOptions) -> Tensor:
    """Of each row the cross-entropy; outliers should look like no intent (Hendrycks et al. 2019)."""
    losses = functional.cross_entropy(scores, intents, ignore_index=OUTLIER, reduction="none")
    likeness = functional.log_softmax(scores, -1).mean(-1)
    return torch.where(intents == OUTLIER, -options.outlier_weight * likeness, losses)


def stacked(hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Hidden states of several examples as one batch, with the attention mask if lengths differ."""
    lengths = torch.tensor([len(states) for states in hidden], device=hidden[0].device)
    batch = nn.utils.rnn.pad_sequence(list(hidden), batch_first=True)
    if int(lengths.min()) == batch.shape[1]:
        return batch, None
    mask = torch.arange(batch.shape[1], device=batch.device)[None, :] < lengths[:, None]
    return batch, mask[:, None, None, :]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Of some examples, in their order."""

    scores: Tensor
    points: Tensor
    start: Tensor
    """Scores of the head as it was before training, on the frozen encoder."""


def predict(network: Network, prepared: Prepared, rows: Sequence[int]) -> Predicted:
    """What the network says of the examples at `rows`."""
    scores = torch.empty(len(rows), len(prepared.names))
    points = torch.empty(len(rows), 2 * network.encoder.shape.width)
    with torch.inference_mode():
        for batch in by_length([len(prepared.hidden[row]) for row in rows], 4096):
            hidden, mask = stacked([prepared.hidden[rows[place]] for place in batch])
            where, found, _ = network.heads(hidden, mask)
            scores[batch], points[batch] = found.float().cpu(), where.float().cpu()
        start = network.start(two_heights(prepared.low[list(rows)], prepared.embeddings[list(rows)])).cpu()
    return Predicted(scores, points, start)
