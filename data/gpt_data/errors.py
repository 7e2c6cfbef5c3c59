"""The one exception that means: the user can fix this."""


class UserError(ValueError):
    """What must hold, what was received and what to do, in one line; shown without a traceback, exit status 2."""
