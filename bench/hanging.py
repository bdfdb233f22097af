"""The engine while one target in ten never answers."""

import argparse

from bench import engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    engine.add_arguments(parser)
    parser.set_defaults(hanging=10, services=5000)


measure, as_table = engine.measure, engine.as_table
