"""The commands of both twins, one a file; what differs between the twins is in ``twin.Twin``.

Here belongs what a user types and sees. What trains, evaluates and saves is in ``shared``; mathematics is in the twins.
"""
