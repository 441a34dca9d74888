"""Every private name of aiortc that `media_sfu.dtls` relies on is still there: a new aiortc that renames one fails here, not in a call."""

import inspect

import pytest
from aiortc import RTCCertificate, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport, SRTPProtectionProfile, State
from media_sfu.dtls import DatagramPipe, DtlsTransport, SctpAssociation


@pytest.mark.parametrize("name", ["_set_role", "_set_state", "_setup_srtp", "_recv_next", "_validate_peer_identity"])
def test_the_dtls_transport_has_what_we_override_and_call(name):
    assert callable(getattr(RTCDtlsTransport, name))


@pytest.mark.parametrize("name", ["_receive_data_chunk", "_send_sack"])
def test_the_sctp_transport_has_what_we_override_and_call(name):
    assert inspect.iscoroutinefunction(getattr(RTCSctpTransport, name))


async def test_the_dtls_transport_has_the_attributes_we_read_and_set():
    transport = RTCDtlsTransport(DatagramPipe(lambda data: None), [RTCCertificate.generateCertificate()])

    assert vars(transport).keys() >= {"_srtp_profiles", "_ssl", "_state", "_task", "_role"}
    assert State.CONNECTED in State
    assert SRTPProtectionProfile.get_key_and_salt


async def test_the_dtls_transport_reads_from_and_writes_to_our_pipe():
    source = inspect.getsource(RTCDtlsTransport)

    assert "self.transport._recv()" in source
    assert "self.transport._send(" in source


async def test_the_sctp_transport_has_the_attributes_we_read_and_set():
    association = SctpAssociation(DtlsTransport(DatagramPipe(lambda data: None), lambda keys: None))

    assert vars(association).keys() >= {"_advertised_rwnd", "_association_state"}
    assert association.State.ESTABLISHED in association.State
