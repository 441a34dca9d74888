"""The parameters that compositions and composition hooks have in common."""

from contract.errors import Refused
from service_kit.parameters import Parameters, invalid

from rooms_api.core.composition import CompositionFormat, CompositionSpec
from rooms_api.core.layout import is_source, parse_layout, parse_resolution
from rooms_api.rest import fields

DEFAULT_RESOLUTION = "640x480"


def read_spec(form: Parameters) -> CompositionSpec:
    """The parameters, defaults filled in. Raises 53110 and 53111 for the callback's, else 20001."""
    resolution = form.text("Resolution") or DEFAULT_RESOLUTION
    width, height = parse_resolution(resolution)
    trim = form.boolean("Trim")
    spec = CompositionSpec(
        audio_sources=_sources(form, "AudioSources"),
        audio_sources_excluded=_sources(form, "AudioSourcesExcluded"),
        video_layout=parse_layout(fields.json_object(form, "VideoLayout"), width, height),
        resolution=resolution,
        trim=True if trim is None else trim,
        format=fields.member(form, "Format", CompositionFormat) or CompositionFormat.WEBM,
        status_callback=fields.callback_url(form, "StatusCallback", 53111),
        status_callback_method=fields.choice(form, "StatusCallbackMethod", ("POST", "GET"), 53110) or "POST",
    )
    if not spec.audio_sources and not spec.video_layout:
        raise Refused(20001, "A Composition needs AudioSources or a VideoLayout")
    return spec


def _sources(form: Parameters, name: str) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(value for value in form.texts(name) if value))
    if not all(is_source(value) for value in given):
        raise invalid(name)
    return given
