"""`make bench`: every figure, one after the other. Bounded, on this machine alone."""

from benchmarks import engine, system


def main() -> None:
    engine.main()
    system.main()


if __name__ == "__main__":
    main()
