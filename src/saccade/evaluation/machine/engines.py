"""What a calibration runs: matrix products, a transformer block, copies and reads, in torch or in numpy.

torch is imported when its engine is made, never before.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.planner.calibration import processor

if TYPE_CHECKING:
    import torch

Run = Callable[[], object]
"""Starts one piece of work; ``wait`` of its engine returns when all that was started is done."""
SEQUENCE = 577
"""Positions of the block's sequences: CLIP's at 336 px, and no round number, like those of real requests."""
HEAD = 64
BUFFER = 256 * 2**20
"""Bytes that are copied and read: many times a usual last-level cache."""
ROOM = 3 * 2**30
"""Free bytes that an accelerator needs: products of 8,192 rows in float32, and the buffer twice, with room to spare."""


@dataclass(frozen=True, slots=True)
class BenchmarkBlock:
    """One transformer block: what runs it once, and the FLOPs of that."""

    run: Run
    flops: int


class Engine(ABC):
    """A machine to be measured. ``width`` is that of the block and of the smallest product, ``largest`` that
    of the largest.
    """

    title: str
    software: str
    memory: int
    dtypes: tuple[str, ...]
    width: int
    largest: int

    @abstractmethod
    def product(self, dtype: str, side: int) -> Run:
        """A square matrix product of ``side`` rows."""

    @abstractmethod
    def block(self, dtype: str) -> BenchmarkBlock | None:
        """A block of ``width`` over a few sequences; None where the engine has none worth measuring."""

    @abstractmethod
    def copy(self) -> Run:
        """A copy of ``BUFFER`` bytes."""

    @abstractmethod
    def read(self, dtype: str) -> Run:
        """``BUFFER`` bytes of weights applied to one vector, as when one token is generated."""

    @abstractmethod
    def wait(self) -> None:
        """Return when all that was started is done."""


def engine() -> Engine:
    """What is there: torch on its accelerator, or on the CPU; numpy where torch is not installed."""
    if find_spec("torch") is None:
        return NumpyEngine()
    import torch

    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return TorchEngine(found)


class TorchEngine(Engine):
    """torch on one device, ``cpu``, ``cuda`` or ``mps``, in the types of number that it multiplies there."""

    def __init__(self, place: str) -> None:
        import torch

        self._torch, self._place = torch, place
        self.width, self.largest, self._batch = (256, 4096, 1) if place == "cpu" else (1024, 8192, 8)
        # Weights are read in matrices as wide as those of a small language model, and of a 7B on an accelerator.
        self._columns = 1024 if place == "cpu" else 4096
        self.software = f"torch {torch.__version__}"
        if place == "cuda":
            properties = torch.cuda.get_device_properties(0)
            self.title, self.memory = properties.name, properties.total_memory
            _check_room(self.title, torch.cuda.mem_get_info(0)[0])
        elif place == "mps":
            self.title, self.memory = f"{processor()} (mps)", torch.mps.recommended_max_memory()
        else:
            self.title, self.memory = f"{processor()}, {torch.get_num_threads()} threads", physical_memory()
        self.dtypes = tuple(filter(self._multiplies, ("float32", "bfloat16", "float16")))
        # Ones in float32; read as a type of half the size, every second number is one or two, the others zero.
        self._buffer = torch.ones(BUFFER // 4, device=place)

    def product(self, dtype: str, side: int) -> Run:
        """A square matrix product of ``side`` rows."""
        mm, left, right = self._torch.mm, self._random(dtype, side, side), self._random(dtype, side, side)
        out = self._torch.empty_like(left)
        return lambda: mm(left, right, out=out)

    def block(self, dtype: str) -> BenchmarkBlock:
        """A pre-norm block with torch's own attention."""
        x = self._random(dtype, self._batch, SEQUENCE, self.width)
        inner = 4 * self.width
        square = [self._random(dtype, self.width, self.width) for _ in range(4)]
        up, down = self._random(dtype, inner, self.width), self._random(dtype, self.width, inner)
        return BenchmarkBlock(lambda: self._block(x, square, up, down), block_cost(self.width).flops * self._batch)

    def copy(self) -> Run:
        """A copy of ``BUFFER`` bytes."""
        target = self._torch.zeros_like(self._buffer)
        return lambda: target.copy_(self._buffer)

    def read(self, dtype: str) -> Run:
        """Matrices of ``BUFFER`` bytes in all applied to one vector."""
        linear, weights = self._torch.nn.functional.linear, self._buffer.view(self._type(dtype))
        matrices = weights.view(-1, 2 * self._columns, self._columns).unbind()
        vector = self._torch.ones(1, self._columns, dtype=weights.dtype, device=self._place)
        return lambda: [linear(vector, matrix) for matrix in matrices]

    def wait(self) -> None:
        """Return when all that was started is done; on the CPU it is."""
        if self._place == "cuda":
            self._torch.cuda.synchronize()
        elif self._place == "mps":
            self._torch.mps.synchronize()

    def _block(
        self, x: "torch.Tensor", square: "list[torch.Tensor]", up: "torch.Tensor", down: "torch.Tensor"
    ) -> "torch.Tensor":
        functions, (query, key, value, out) = self._torch.nn.functional, square
        linear, batch = functions.linear, x.shape[0]
        normed = functions.layer_norm(x, (self.width,))
        heads = [linear(normed, part).view(batch, SEQUENCE, -1, HEAD).transpose(1, 2) for part in (query, key, value)]
        mixed = functions.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(x.shape)
        x = x + linear(mixed, out)
        return x + linear(functions.gelu(linear(functions.layer_norm(x, (self.width,)), up)), down)

    def _type(self, dtype: str) -> "torch.dtype":
        return getattr(self._torch, dtype)

    def _random(self, dtype: str, *shape: int) -> "torch.Tensor":
        return self._torch.randn(*shape, device=self._place).mul_(0.02).to(self._type(dtype))

    def _multiplies(self, dtype: str) -> bool:
        try:
            self.product(dtype, 8)()
        except (RuntimeError, TypeError):
            return False
        return True


class NumpyEngine(Engine):
    """numpy on the CPU: float32 alone, and no block, whose softmax numpy would run on one thread."""

    def __init__(self) -> None:
        self.width, self.largest = 256, 4096
        self.dtypes = ("float32",)
        self.title, self.memory = f"{processor()}, {os.cpu_count()} threads", physical_memory()
        self.software = f"numpy {np.__version__}"
        self._buffer = np.ones(BUFFER // 4, np.float32)

    def product(self, dtype: str, side: int) -> Run:
        """A square matrix product of ``side`` rows."""
        del dtype
        left = np.random.default_rng(0).random((side, side), np.float32)
        out = np.empty_like(left)
        return lambda: np.matmul(left, left, out=out)

    def block(self, dtype: str) -> None:
        """None."""
        del dtype

    def copy(self) -> Run:
        """A copy of ``BUFFER`` bytes."""
        target = np.zeros_like(self._buffer)
        return lambda: np.copyto(target, self._buffer)

    def read(self, dtype: str) -> Run:
        """Matrices of ``BUFFER`` bytes in all applied to one vector."""
        del dtype
        matrices, vector = self._buffer.reshape(-1, 2048, 1024), np.ones(1024, np.float32)
        return lambda: [matrix @ vector for matrix in matrices]

    def wait(self) -> None:
        """Nothing is under way after a call."""


def block_cost(width: int) -> Cost:
    """A block over one sequence, its feed-forward four times as wide."""
    return count.total(
        *(count.linear(SEQUENCE, width, width, bias=False) for _ in range(4)),
        count.attention(SEQUENCE, SEQUENCE, width),
        count.linear(SEQUENCE, width, 4 * width, bias=False),
        count.linear(SEQUENCE, 4 * width, width, bias=False),
    )


def _check_room(title: str, free: int) -> None:
    if free < ROOM:
        raise SaccadeError(
            f"{title} has {free / 1e9:.1f} GB free, a calibration takes {ROOM / 1e9:.1f} GB; stop what else runs there"
        )


def physical_memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes of RAM, or of what the container may use of it. Raises where the system tells neither."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError) as error:
        raise SaccadeError(
            "this system does not say how much memory it has, so it cannot be calibrated; name a device instead"
        ) from error
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(total, int(text)) if text.isdecimal() else total
