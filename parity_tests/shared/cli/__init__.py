"""The commands of both programs as users see them: what they print, where, and their exit status."""
