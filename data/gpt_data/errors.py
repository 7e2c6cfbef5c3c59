"""The one exception of the whole project that means: the user can mend this."""


class UserError(ValueError):
    """What must hold, what came instead, what to do: one line, shown without a traceback, exit status 2."""
