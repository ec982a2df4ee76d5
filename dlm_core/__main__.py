"""``python -m dlm_core plan``: a number of steps and its sizes, from a curve in a file."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from dlm_core.planning import plan


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was asked for; leave with status 2, and the reason in words, where that fails."""
    parser = ArgumentParser(prog="python -m dlm_core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    planning = commands.add_parser(
        "plan",
        help="how many steps an error asks for, or what a number of steps comes to",
        description="Print a number of steps, the sizes, what they cost and what that rests on; "
        "and what equal, cosine, shifted equal and TC-adaptive sizes need or cost beside it.",
    )
    planning.add_argument(
        "--profile",
        required=True,
        type=Path,
        metavar="FILE",
        help="JSON: what to_dict of an InformationProfile, EstimatedProfile or ProfileBand gave, "
        "or a list of nats a token, by how many others are known",
    )
    goal = planning.add_mutually_exclusive_group(required=True)
    goal.add_argument("--error", type=float, metavar="NATS", help="at most so much is to be lost")
    goal.add_argument("--steps", type=int, metavar="K", help="at most so many are to be taken")
    given = parser.parse_args(arguments)
    try:
        profile = json.loads(given.profile.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        planning.error(f"--profile must be a file of JSON, got {given.profile}: {error}")
    try:
        print(plan(profile, error=given.error, steps=given.steps))
    except (TypeError, ValueError) as error:
        planning.error(f"{given.profile}: {error}")


if __name__ == "__main__":
    main()
