"""The one exception for errors that the user can fix."""


class UserError(ValueError):
    """What must hold, what was received and what to do, in one line; shown without a traceback, exit status 2."""
