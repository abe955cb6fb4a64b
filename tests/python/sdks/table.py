"""What cannot be done, and why: the only way for a cell of the compatibility table to be empty."""

# (sdk, provider family, scenario) -> reason; `*` stands for all. What is listed here is tried all
# the same, and must be refused: by the SDK, which has no way to say it, or by Weir with a 400.
NOT: dict[tuple[str, str, str], str] = {}


def reason(sdk: str, family: str, scenario: str) -> str | None:
    """Why this cell is empty; `None`: it is not."""
    for one in (sdk, "*"):
        for other in (family, "*"):
            if (one, other, scenario) in NOT:
                return NOT[one, other, scenario]
    return None
