"""Which gateway is under test."""

import os
import shutil
from pathlib import Path

import pytest


def under_test() -> str:
    """What `WEIR_BIN` names; without it nothing is tested."""
    binary = os.environ.get("WEIR_BIN")
    if not binary or not shutil.which(binary):
        pytest.exit("WEIR_BIN must name the weir binary; `cargo xtask` sets it", 2)
    return str(Path(binary).resolve())
