"""The commands of both programs as their users meet them: what they print, where, and with which exit status."""
