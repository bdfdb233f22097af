"""The engine with 100,000 services, each checked once a minute: above all its memory."""

import argparse

from bench import engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    engine.add_arguments(parser)
    parser.set_defaults(services=100_000, interval=60, seconds=60, workers=2)


measure, as_table = engine.measure, engine.as_table
