"""Stability AI's service: pictures of SD3.5-Flash, whose weights are not published.

Which variant answers is not disclosed, neither its steps nor its precision nor its text encoders,
and what a request takes measures the network: no time and no memory is reported. Written from the
service's published interface (POST v2beta/stable-image/generate/sd3) and tested against a server
of the tests' own; it was never run against the real one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from evalkit.errors import ImageError, MissingPackageError, ServiceError, SpecError
from evalkit.generators import Picture
from evalkit.images import decode
from evalkit.records import ModelSpec, Prompt, Record

if TYPE_CHECKING:
    import httpx

ADDRESS = "https://api.stability.ai"
PATH = "/v2beta/stable-image/generate/sd3"
KEY, ELSEWHERE = "STABILITY_API_KEY", "STABILITY_API_URL"
"""Environment variables: the key, and an address to use instead, such as a proxy's."""
ATTEMPTS = 6
PATIENCE = 600.0
"""The longest that a service may ask to wait, in seconds."""
TIMEOUT = 120.0
OUTAGES = 3
"""Pictures in a row that get no answer before the work ends: the rest would fare no better."""
LAST_SEED = 2**32 - 2
WAIT_AND_ASK_AGAIN = (429, 500, 503)
MAYBE_DRAWN = (502, 504)
LOCAL = ("localhost", "127.0.0.1", "::1")


class Wishes(Record):
    """The options of a model: what the service can be told."""

    model: Literal["sd3.5-flash", "sd3.5-medium", "sd3.5-large", "sd3.5-large-turbo"]
    aspect_ratio: Literal["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "5:4", "4:5"] = "1:1"
    """Of a picture of about a megapixel: the service takes no width and no height."""
    negative_prompt: str | None = None
    style_preset: str | None = None


class Stability:
    """Draw by asking the service, one picture a request.

    A request is repeated only where it was surely not charged, so that a picture is paid for once
    at most. The service takes seed 0 for "any": the run's seed is sent plus one.
    """

    paid = True

    def __init__(
        self,
        spec: ModelSpec,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.spec = spec
        self._wishes = _wishes(spec)
        self._sleep, self._now = sleep, now
        self._client: httpx.Client | None = None
        self._outages = 0
        self._kept: bool | None = None

    def check(self) -> str:
        """Say what will be asked; raise where the key or the package is missing. Asks nothing."""
        if find_spec("httpx") is None:
            raise MissingPackageError("httpx", "api", f"Model {self.spec.name!r}")
        _key()
        return f"{self._wishes.model} at {_address()}; the key is not tried, since that would cost"

    def load(self) -> None:
        """Prepare to ask; raise ServiceError where there is no key."""
        if self._client is None:
            self.check()
            import httpx

            address = _address()
            self._client = httpx.Client(
                base_url=address,
                headers={"Authorization": f"Bearer {_key()}", "Accept": "image/*"},
                timeout=TIMEOUT,
                trust_env=urlsplit(address).hostname not in LOCAL,
            )

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Picture]:
        """Ask for each picture; what was paid for is kept when the service fails after it."""
        self.load()
        pictures: list[Picture] = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            try:
                pictures.append(self._one(prompt, seed))
            except ServiceError as error:
                if not any(p.image for p in pictures):
                    raise
                left = len(prompts) - len(pictures)
                return pictures + [Picture(None, error=f"not asked for: {error}")] * left
        return pictures

    def _one(self, prompt: Prompt, seed: int) -> Picture:
        if not 0 <= seed < LAST_SEED:
            return Picture(None, error=f"the service takes seeds below {LAST_SEED}, not {seed}")
        answer = self._ask(self._fields(prompt, seed + 1))
        if isinstance(answer, str):
            return Picture(None, error=answer)
        self._outages = 0
        return self._picture(answer, seed + 1)

    def _fields(self, prompt: Prompt, seed: int) -> dict[str, str]:
        fields = {"prompt": prompt.text, "seed": str(seed), "output_format": "png"}
        fields |= {k: v for k, v in self._wishes.model_dump().items() if v is not None}
        if self.spec.guidance is not None:
            fields["cfg_scale"] = f"{self.spec.guidance:g}"
        return fields

    def _ask(self, fields: Mapping[str, str]) -> httpx.Response | str:
        """Ask until there is an answer; return why there is none where asking may cost again."""
        import httpx

        assert self._client is not None  # noqa: S101 - loaded
        for attempt in range(ATTEMPTS):
            wait = 2.0**attempt
            try:
                # A file, though of no name, makes the form multipart, which the service wants.
                answer = self._client.post(PATH, data=dict(fields), files={"none": b""})
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                why = f"cannot be reached ({error})"
            except httpx.TransportError as error:
                return self._no_answer(f"broke off ({type(error).__name__}); it may be charged")
            else:
                if answer.status_code in MAYBE_DRAWN:
                    return self._no_answer(f"said {answer.status_code}; it may be charged")
                if answer.status_code not in WAIT_AND_ASK_AGAIN:
                    return answer
                why = f"said {answer.status_code}: {_errors(answer)}"
                wait = max(wait, self._asked_to_wait(answer))
            if attempt < ATTEMPTS - 1:
                self._sleep(wait)
        if why.startswith("said 500"):  # perhaps it is this picture
            return self._no_answer(f"{why}, {ATTEMPTS} times")
        raise ServiceError(
            f"The service at {_address()} {why}, {ATTEMPTS} times. "
            "Run the same command again later: it goes on where it was."
        )

    def _no_answer(self, why: str) -> str:
        self._outages += 1
        if self._outages >= OUTAGES:
            raise ServiceError(
                f"The service at {_address()} failed {OUTAGES} pictures in a row; of the last one "
                f"it {why}. Run the same command again later: it goes on where it was."
            )
        return f"the service {why}"

    def _asked_to_wait(self, answer: httpx.Response) -> float:
        """Read Retry-After (RFC 9110, section 10.2.3): seconds or a date."""
        text = answer.headers.get("Retry-After", "")
        try:
            seconds = float(text) if not text.strip().endswith("GMT") else self._until(text)
        except ValueError:
            return 0.0
        if not math.isfinite(seconds):
            return 0.0
        if seconds > PATIENCE:
            raise ServiceError(
                f"The service at {_address()} asks to wait {seconds:,.0f} seconds. "
                "Run the same command again then: it goes on where it was."
            )
        return seconds

    def _until(self, date: str) -> float:
        return (parsedate_to_datetime(date) - self._now()).total_seconds()

    def _picture(self, answer: httpx.Response, seed: int) -> Picture:
        if answer.status_code != 200:
            return Picture(None, error=_refusal(answer))
        if answer.headers.get("finish-reason") == "CONTENT_FILTERED":
            return Picture(None, error="the service's content filter withheld the picture")
        try:
            image = decode(answer.content, "what the service sent")
        except ImageError as error:
            return Picture(None, error=str(error))
        if (told := answer.headers.get("seed")) is not None:
            self._kept = self._kept is not False and told == str(seed)
        return Picture(image)

    def realised(self) -> dict[str, Any]:
        """Say what was asked for; ``seed_kept`` is whether the service named the seeds we sent."""
        return {
            "service": _address() + PATH,
            "variant": "undisclosed",
            "asked": self._wishes.model_dump(exclude_none=True),
            "seed_sent": "the run's seed + 1, since 0 means any",
            "seed_kept": self._kept,
            "packages": {"httpx": version("httpx")},
        }


def _wishes(spec: ModelSpec) -> Wishes:
    where = f"Model {spec.name!r}"
    for name in ("weights", "steps", "width", "height", "dtype"):
        if getattr(spec, name) is not None:
            raise SpecError(
                f"{where}: {name} = {getattr(spec, name)!r}, which the service cannot be told. "
                "Leave it out; a picture's shape is the option 'aspect_ratio'."
            )
    try:
        return Wishes.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        raise SpecError(f"{where}: option {field}: {first['msg']}: {first['input']!r}.") from error


def _key() -> str:
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise ServiceError(f"There is no key for Stability AI's service. Set {KEY}.")
    if not (key.isascii() and key.isprintable()):
        raise ServiceError(f"{KEY} holds what no key has: spaces or letters beyond ASCII.")
    return key


def _address() -> str:
    """Return where to ask; a key goes over an open connection to this machine only."""
    address = os.environ.get(ELSEWHERE, "").strip().rstrip("/") or ADDRESS
    found = urlsplit(address)
    if found.scheme != "https" and not (found.scheme == "http" and found.hostname in LOCAL):
        raise ServiceError(f"{ELSEWHERE} is {address!r}, which would show the key. Use https.")
    return address


def _refusal(answer: httpx.Response) -> str:
    """Return why this one picture was refused; raise where every other one would be too."""
    code, said = answer.status_code, _errors(answer)
    if code == 403 and "content_moderation" in said:
        return f"the service's content filter refused the prompt: {said}"
    if code in (400, 413, 422):
        return f"the service refused the request ({code}): {said}"
    cure = {401: f"Check {KEY}", 402: "Buy credits", 403: f"Check what {KEY} may do"}
    raise ServiceError(
        f"The service at {_address()} answered {code}: {said}. "
        f"{cure.get(code, 'See whether its interface has changed')}, "
        "then run the same command again: it goes on where it was."
    )


def _errors(answer: httpx.Response) -> str:
    """Read the service's own words (a JSON object with a name and errors), in one short line."""
    try:
        body = answer.json()
        words = [str(body["name"]), *map(str, body["errors"])]
    except (ValueError, LookupError, TypeError):
        words = [answer.text]
    return " ".join(" ".join(words).split())[:300] or "nothing"
