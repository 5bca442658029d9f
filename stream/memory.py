"""What a process that works on batches tells Python and the C library about its memory."""

from __future__ import annotations

import ctypes
import gc

# Of glibc's mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 256 * 1024 * 1024
_PAD_BYTES = 16 * 1024 * 1024
_BUFFER_BYTES_MAX = 32 * 1024 * 1024  # glibc allows no more


def keep_buffers() -> None:
    """Buffers of a batch, a megabyte or so each, are used again instead of being given back to the system each time.

    By default glibc maps each anew, and the system clears it page by page: a fifth of all time (measured). Larger ones, the
    columns of big tables among them, are still given back. Other C libraries know nothing of this, and are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _BUFFER_BYTES_MAX)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_TOP_PAD, _PAD_BYTES)


def spare_the_collector() -> None:
    """Batches leave no cycles behind, and Python's collector of cycles would cost a tenth of all time.

    What is there now is left out of its rounds, and those become rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
