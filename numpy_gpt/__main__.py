"""The program ``numpy_gpt`` as a process, also as ``python -m numpy_gpt``; its modules are imported after this one."""

from gpt_data.process import run_program


def main() -> None:
    """Run the command line and exit."""
    run_program("numpy_gpt.cli")


if __name__ == "__main__":
    main()
