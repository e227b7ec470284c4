"""How functions are compiled that only compiled code calls: without what Python would need to call them."""

from __future__ import annotations

from typing import Any

import numba

OPTIONS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}

#: Each specialisation is compiled by itself, again in all that call it: pass numbers of one type (``NONE``, not ``-1``).
inner = numba.njit(**OPTIONS)
