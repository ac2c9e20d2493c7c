"""What the environment may set for the mentorship service: nothing beyond what all services share."""

from shared.settings import Settings


class MentorshipSettings(Settings):
    """Settings of the mentorship service's processes."""
