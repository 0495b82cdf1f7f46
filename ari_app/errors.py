"""The one tree of errors.

AriAppError
├── ConfigInvalid             file, key, reason
├── BadInput                  a user's mistake: what, where, how to mend it
├── CallEnded
│   └── CallerHungUp
├── PbxError
│   ├── AriUnavailable        url
│   ├── AriRefused            method, path, status, reason
│   │   └── ChannelGone       404/409 on a channel or bridge that no longer is
│   ├── MediaClosed           the media socket ended
│   └── AmiUnavailable
├── BookingError
│   ├── CalendarUnavailable   url
│   ├── OpeningTaken          somebody else has it
│   ├── AppointmentChanged    it isn't what it was when read (412, 404)
│   └── OpeningInvalid        not bookable at all: outside hours, past, unknown service
├── SpeechError
│   ├── ModelMissing          name, path
│   ├── DownloadFailed        a model could not be fetched; says what to do
│   └── SynthesisFailed
├── StoreUnavailable
├── SmsFailed                 permanent, in doubt, or to be retried
└── LabError                  the lab could not start; says how to mend it
"""


class AriAppError(Exception):
    """Root of every error this application raises on purpose."""

    exit_code = 1


class ConfigInvalid(AriAppError):
    """A settings file that can't be used."""

    exit_code = 2

    def __init__(self, path: str, key: str, reason: str) -> None:
        super().__init__(f"{path}: {key}: {reason}")
        self.path, self.key, self.reason = path, key, reason


class BadInput(AriAppError):
    """A user's mistake, told in one line: what is wrong, where, how to mend it."""

    exit_code = 2


class CallEnded(AriAppError):
    """The call is over; an expected ending."""


class CallerHungUp(CallEnded):
    """The caller hung up."""


class PbxError(AriAppError):
    """Asterisk failed or refused."""


class AriUnavailable(PbxError):
    """ARI can't be reached."""

    def __init__(self, url: str, reason: str = "") -> None:
        super().__init__(f"ARI at {url} can't be reached{': ' + reason if reason else ''}")
        self.url = url


class AriRefused(PbxError):
    """ARI answered with an error status."""

    def __init__(self, method: str, path: str, status: int, reason: str) -> None:
        super().__init__(f"ARI {method} {path}: {status} {reason}")
        self.method, self.path, self.status, self.reason = method, path, status, reason


class ChannelGone(AriRefused):
    """The channel or bridge no longer exists, or no longer is in Stasis (404, 409, 412)."""


class MediaClosed(PbxError):
    """The media WebSocket ended."""


class AmiUnavailable(PbxError):
    """AMI can't be reached or did not answer in time."""


class BookingError(AriAppError):
    """A booking step failed."""


class CalendarUnavailable(BookingError):
    """The CalDAV server is down, slow, or refuses."""

    def __init__(self, url: str, reason: str = "") -> None:
        super().__init__(f"calendar {url} is unavailable{': ' + reason if reason else ''}")
        self.url = url


class OpeningTaken(BookingError):
    """Somebody else has this opening."""


class AppointmentChanged(BookingError):
    """The appointment isn't what it was when it was read (moved, edited or deleted meanwhile)."""


class OpeningInvalid(BookingError):
    """Not bookable at all: outside hours, in the past, beyond the horizon, unknown service."""


class SpeechError(AriAppError):
    """Recogniser or synthesiser failed."""


class ModelMissing(SpeechError):
    """A model isn't on disk."""

    exit_code = 2

    def __init__(self, name: str, path: str) -> None:
        super().__init__(f"model {name} is not at {path}: run `ari-app models pull {name}`")
        self.name, self.path = name, path


class DownloadFailed(SpeechError):
    """A model could not be fetched whole: the message says why and what to do."""


class SynthesisFailed(SpeechError):
    """The synthesiser gave no audio."""


class StoreUnavailable(AriAppError):
    """The database can't be reached or is of a newer schema."""


class SmsFailed(AriAppError):
    """A message could not be handed to the gateway."""

    def __init__(self, reason: str, *, is_permanent: bool = False, is_in_doubt: bool = False) -> None:
        """`is_in_doubt`: it may have been handed over; sending again may deliver it twice."""
        super().__init__(reason)
        self.is_permanent, self.is_in_doubt = is_permanent, is_in_doubt


class LabError(AriAppError):
    """The lab could not do a step; the message says how to mend it."""
