"""In which order rows are learned: by seed and pass alone, so that a resumed job agrees."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_POOL = 50


class Order(Sampler[int]):
    """Row numbers of one pass; with `group`, rows of like length stand together in batches."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, *, group: bool) -> None:
        self._lengths = lengths
        self._batch = batch
        self._seed = seed
        self._group = group
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """The pass that the next iteration is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        return iter(self._grouped(order, generator) if self._group else order)

    def _grouped(self, order: list[int], generator: torch.Generator) -> list[int]:
        """Pools of shuffled rows are sorted and cut into batches, which are shuffled again."""
        size = self._batch * _POOL
        batches: list[list[int]] = []
        for start in range(0, len(order), size):
            pool = sorted(
                order[start : start + size], key=lambda row: self._lengths[row], reverse=True
            )
            batches += [pool[at : at + self._batch] for at in range(0, len(pool), self._batch)]
        whole = [one for one in batches if len(one) == self._batch]
        rest = [one for one in batches if len(one) < self._batch]
        mixed = [whole[at] for at in torch.randperm(len(whole), generator=generator).tolist()]
        return [row for batch in (*mixed, *rest) for row in batch]
