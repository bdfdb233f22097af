"""The engine over TLS: a full handshake at each check."""

import argparse

from bench import engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    engine.add_arguments(parser)
    parser.set_defaults(tls=True, services=3500)


measure, as_table = engine.measure, engine.as_table
