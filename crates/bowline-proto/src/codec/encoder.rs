//! From packets to bytes, for one connection. Knows the version, our role and the peer's limit; the layouts are in v3 and v5.

use crate::codec::error::EncodeError;
use crate::codec::frame::{first_byte, may_send};
use crate::codec::keep::Keep;
use crate::codec::outgoing::Outgoing;
use crate::codec::peer::Peer;
use crate::codec::publish::PublishParts;
use crate::codec::writer::{Writer, varint_bytes};
use crate::codec::{publish_writer, v3, v5};
use crate::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, PublishHeader, SubAck, Subscribe, UnsubAck,
    Unsubscribe,
};
use crate::reason::{ReasonCode, Role};
use crate::types::Message;
use crate::version::Version;

/// Encodes what we send on one connection.
///
/// Every method either appends one whole packet or fails and appends nothing. A packet that would exceed the peer's
/// Maximum Packet Size loses its Reason String, then its User Properties, where the standard asks for that; what is
/// still too large is an error.
///
/// What only MQTT 5.0 can say is an error in the older versions, except for what acknowledgements say to people and
/// the reason codes of acknowledgements, which those versions take as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    peer: Peer,
}

impl Encoder {
    /// An encoder for our `role`. `packet_bytes_max` is the peer's Maximum Packet Size; `u32::MAX` if it named none.
    pub const fn new(version: Version, role: Role, packet_bytes_max: u32) -> Self {
        Self { peer: Peer { version, our_role: role, packet_bytes_max } }
    }

    /// The version it writes.
    pub const fn version(&self) -> Version {
        self.peer.version
    }

    /// The peer's limit for a whole packet.
    pub const fn packet_bytes_max(&self) -> u32 {
        self.peer.packet_bytes_max
    }

    /// Appends a PUBLISH. A payload of [`SHARED_PAYLOAD_BYTES_MIN`](super::outgoing::SHARED_PAYLOAD_BYTES_MIN) bytes or more is shared, not copied.
    ///
    /// # Errors
    /// [`EncodeError`] if the packet is too large, or message and header do not fit each other or the version.
    #[inline]
    pub fn publish(
        &self,
        out: &mut Outgoing,
        message: &Message,
        header: &PublishHeader<'_>,
    ) -> Result<(), EncodeError> {
        publish_writer::append(&PublishParts::new(message, header), &self.peer, out)
    }

    /// The size of the packet that [`publish`](Self::publish) would append.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_bytes(&self, message: &Message, header: &PublishHeader<'_>) -> Result<u32, EncodeError> {
        publish_writer::packet_bytes(&PublishParts::new(message, header), &self.peer)
    }

    /// Appends a PUBACK, PUBREC, PUBREL or PUBCOMP. `dup` marks a PUBREL that is sent again, where the version has
    /// that flag.
    ///
    /// # Errors
    /// [`EncodeError`] if it is none of the four, or the reason code is not for it.
    #[inline]
    pub fn ack(
        &self,
        out: &mut Outgoing,
        packet: PacketType,
        ack: &Ack,
        dup: bool,
    ) -> Result<(), EncodeError> {
        let dup = dup && packet == PacketType::PubRel;
        if ack.reason == ReasonCode::Success
            && ack.properties.is_none()
            && is_ack(packet)
            && self.peer.packet_bytes_max >= 4
        {
            let [high, low] = ack.packet_id.as_u16().to_be_bytes();
            out.flat().extend_from_slice(&[self.first(packet, dup), 2, high, low]);
            return Ok(());
        }
        self.ack_with_reason(out, packet, ack, dup)
    }

    fn ack_with_reason(
        &self,
        out: &mut Outgoing,
        packet: PacketType,
        ack: &Ack,
        dup: bool,
    ) -> Result<(), EncodeError> {
        if !is_ack(packet) {
            return Err(EncodeError::WrongSender { packet, sender: self.peer.our_role });
        }
        self.check_reason(packet, ack.reason)?;
        match self.peer.version {
            Version::V5 => {
                self.append_shrinking(out, self.first(packet, dup), |w, keep| v5::acks::write(w, ack, keep))
            }
            _ => self.append(out, self.first(packet, dup), |w| w.packet_id(ack.packet_id)),
        }
    }

    /// Appends a CONNECT. The older versions send Clean Session as Clean Start says; they have no session expiry.
    ///
    /// # Errors
    /// [`EncodeError`] if the version cannot say it, or a field is too long.
    pub fn connect(&self, out: &mut Outgoing, connect: &Connect) -> Result<(), EncodeError> {
        self.check_sender(PacketType::Connect)?;
        if connect.version != self.peer.version {
            return Err(EncodeError::OtherVersion { asked: connect.version, encoder: self.peer.version });
        }
        let first = self.first(PacketType::Connect, false);
        match self.peer.version {
            Version::V5 => {
                v5::connect::check(connect)?;
                self.append(out, first, |w| v5::connect::write(w, connect))
            }
            _ => {
                v3::connect::check(connect)?;
                self.append(out, first, |w| v3::connect::write(w, connect))
            }
        }
    }

    /// Appends a CONNACK.
    ///
    /// # Errors
    /// [`EncodeError`] if the version cannot say it, or the reason code is not for CONNACK.
    pub fn connack(&self, out: &mut Outgoing, connack: &ConnAck) -> Result<(), EncodeError> {
        self.check_sender(PacketType::ConnAck)?;
        self.check_reason(PacketType::ConnAck, connack.reason)?;
        let first = self.first(PacketType::ConnAck, false);
        match self.peer.version {
            Version::V5 => {
                v5::connack::check(connack)?;
                self.append_shrinking(out, first, |w, keep| v5::connack::write(w, connack, keep))
            }
            _ => {
                v3::connack::check(connack)?;
                self.append(out, first, |w| v3::connack::write(w, connack))
            }
        }
    }

    /// Appends a SUBSCRIBE. `dup` marks one that is sent again, where the version has that flag.
    ///
    /// # Errors
    /// [`EncodeError`] if it has no subscriptions, or the version cannot say it.
    pub fn subscribe(&self, out: &mut Outgoing, subscribe: &Subscribe, dup: bool) -> Result<(), EncodeError> {
        self.check_sender(PacketType::Subscribe)?;
        // [MQTT-3.8.3-2] [MQTT-3.8.3-3 of 3.1.1]
        check_not_empty(PacketType::Subscribe, subscribe.subscriptions.len())?;
        let first = self.first(PacketType::Subscribe, dup);
        match self.peer.version {
            Version::V5 => {
                v5::subscribe::check(subscribe)?;
                self.append(out, first, |w| v5::subscribe::write(w, subscribe))
            }
            _ => {
                v3::subscribe::check(subscribe)?;
                self.append(out, first, |w| v3::subscribe::write(w, subscribe))
            }
        }
    }

    /// Appends a SUBACK. The older versions tell every failure as 0x80.
    ///
    /// # Errors
    /// [`EncodeError`] if it has no reason codes, or one that is not for SUBACK.
    pub fn suback(&self, out: &mut Outgoing, suback: &SubAck) -> Result<(), EncodeError> {
        self.check_sender(PacketType::SubAck)?;
        self.check_reasons(PacketType::SubAck, &suback.reasons)?;
        let first = self.first(PacketType::SubAck, false);
        match self.peer.version {
            Version::V5 => {
                self.append_shrinking(out, first, |w, keep| v5::subscribe::write_suback(w, suback, keep))
            }
            _ => self.append(out, first, |w| v3::subscribe::write_suback(w, suback)),
        }
    }

    /// Appends an UNSUBSCRIBE. `dup` marks one that is sent again, where the version has that flag.
    ///
    /// # Errors
    /// [`EncodeError`] if it has no filters, or the version cannot say it.
    pub fn unsubscribe(
        &self,
        out: &mut Outgoing,
        unsubscribe: &Unsubscribe,
        dup: bool,
    ) -> Result<(), EncodeError> {
        self.check_sender(PacketType::Unsubscribe)?;
        // [MQTT-3.10.3-2] [MQTT-3.10.3-2 of 3.1.1]
        check_not_empty(PacketType::Unsubscribe, unsubscribe.filters.len())?;
        let first = self.first(PacketType::Unsubscribe, dup);
        match self.peer.version {
            Version::V5 => self.append(out, first, |w| v5::subscribe::write_unsubscribe(w, unsubscribe)),
            _ => {
                v3::check_no_user_properties(&unsubscribe.user_properties)?;
                self.append(out, first, |w| v3::subscribe::write_unsubscribe(w, unsubscribe))
            }
        }
    }

    /// Appends an UNSUBACK. In the older versions it has no reason codes.
    ///
    /// # Errors
    /// [`EncodeError`] if it lacks reason codes, or has one that is not for UNSUBACK.
    pub fn unsuback(&self, out: &mut Outgoing, unsuback: &UnsubAck) -> Result<(), EncodeError> {
        self.check_sender(PacketType::UnsubAck)?;
        let first = self.first(PacketType::UnsubAck, false);
        match self.peer.version {
            Version::V5 => {
                self.check_reasons(PacketType::UnsubAck, &unsuback.reasons)?;
                self.append_shrinking(out, first, |w, keep| v5::subscribe::write_unsuback(w, unsuback, keep))
            }
            _ => self.append(out, first, |w| w.packet_id(unsuback.packet_id)),
        }
    }

    /// Appends a PINGREQ.
    pub fn pingreq(&self, out: &mut Outgoing) {
        out.flat().extend_from_slice(&[self.first(PacketType::PingReq, false), 0]);
    }

    /// Appends a PINGRESP.
    pub fn pingresp(&self, out: &mut Outgoing) {
        out.flat().extend_from_slice(&[self.first(PacketType::PingResp, false), 0]);
    }

    /// Appends a DISCONNECT.
    ///
    /// # Errors
    /// [`EncodeError`] if the version cannot say it, or our side may not.
    pub fn disconnect(&self, out: &mut Outgoing, disconnect: &Disconnect) -> Result<(), EncodeError> {
        self.check_disconnect(disconnect)?;
        let first = self.first(PacketType::Disconnect, false);
        match self.peer.version {
            Version::V5 => {
                self.append_shrinking(out, first, |w, keep| v5::disconnect::write(w, disconnect, keep))
            }
            _ => self.append(out, first, |_| {}),
        }
    }

    /// Whether the version and our side can say this, whatever its size.
    ///
    /// # Errors
    /// As [`disconnect`](Self::disconnect).
    pub fn check_disconnect(&self, disconnect: &Disconnect) -> Result<(), EncodeError> {
        match self.peer.version {
            Version::V5 => {
                self.check_reason(PacketType::Disconnect, disconnect.reason)?;
                v5::disconnect::check(disconnect, self.peer.our_role)
            }
            _ => v3::check_disconnect(disconnect, self.peer.our_role),
        }
    }

    /// Appends an AUTH.
    ///
    /// # Errors
    /// [`EncodeError`] if the version has no AUTH, our side may not send this reason code, or the method is missing.
    pub fn auth(&self, out: &mut Outgoing, auth: &Auth) -> Result<(), EncodeError> {
        if !self.peer.version.rules().has_properties {
            return Err(EncodeError::NeedsVersion5 { option: "enhanced authentication" });
        }
        self.check_reason(PacketType::Auth, auth.reason)?;
        v5::auth::check(auth)?;
        let first = self.first(PacketType::Auth, false);
        self.append_shrinking(out, first, |w, keep| v5::auth::write(w, auth, keep))
    }

    /// Appends any packet that our side may send, as it stands. For tests and tools; engines use the other methods.
    ///
    /// # Errors
    /// As the method for this packet.
    pub fn packet(&self, out: &mut Outgoing, packet: &Packet) -> Result<(), EncodeError> {
        self.check_sender(packet.packet_type())?;
        match packet {
            Packet::Connect(connect) => self.connect(out, connect),
            Packet::ConnAck(connack) => self.connack(out, connack),
            Packet::Publish(publish) => {
                publish_writer::append(&PublishParts::received(publish)?, &self.peer, out)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                self.ack(out, packet.packet_type(), ack, false)
            }
            Packet::Subscribe(subscribe) => self.subscribe(out, subscribe, false),
            Packet::SubAck(suback) => self.suback(out, suback),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(out, unsubscribe, false),
            Packet::UnsubAck(unsuback) => self.unsuback(out, unsuback),
            Packet::PingReq => {
                self.pingreq(out);
                Ok(())
            }
            Packet::PingResp => {
                self.pingresp(out);
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.disconnect(out, disconnect),
            Packet::Auth(auth) => self.auth(out, auth),
        }
    }

    fn append(
        &self,
        out: &mut Outgoing,
        first: u8,
        body: impl Fn(&mut Writer<'_>),
    ) -> Result<(), EncodeError> {
        let remaining_bytes = Writer::count(&body)?;
        let packet_bytes = self.peer.packet_bytes(remaining_bytes)?;
        let flat = out.flat();
        flat.reserve(packet_bytes as usize);
        flat.push(first);
        let (length, used) = varint_bytes(remaining_bytes as u32);
        flat.extend_from_slice(&length[..used]);
        body(&mut Writer::new(flat));
        Ok(())
    }

    /// Appends the packet with as much of what is for people as the peer accepts.
    fn append_shrinking(
        &self,
        out: &mut Outgoing,
        first: u8,
        body: impl Fn(&mut Writer<'_>, Keep),
    ) -> Result<(), EncodeError> {
        // [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2]
        // [MQTT-3.7.2-3] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3] and, as a server,
        // [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2]
        for keep in [Keep::Everything, Keep::UserProperties] {
            match self.append(out, first, |w| body(w, keep)) {
                Err(EncodeError::PacketTooLarge { .. }) => {}
                done => return done,
            }
        }
        self.append(out, first, |w| body(w, Keep::Neither))
    }

    // [MQTT-2.1.3-1] [MQTT-2.2.2-1 of 3.1.1] [MQTT-3.6.1-1 of 3.1.1] [MQTT-3.8.1-1 of 3.1.1] [MQTT-3.10.1-1 of 3.1.1]
    // [MQTT-3.14.1-1 of 3.1.1]
    const fn first(&self, packet: PacketType, dup: bool) -> u8 {
        first_byte(packet, dup && self.peer.version.rules().pubrel_carries_dup)
    }

    const fn check_sender(&self, packet: PacketType) -> Result<(), EncodeError> {
        if may_send(self.peer.our_role, packet) {
            Ok(())
        } else {
            Err(EncodeError::WrongSender { packet, sender: self.peer.our_role })
        }
    }

    fn check_reason(&self, packet: PacketType, reason: ReasonCode) -> Result<(), EncodeError> {
        // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.14.2-1] [MQTT-3.15.2-1]
        if reason.is_allowed_in(packet, self.peer.our_role) {
            Ok(())
        } else {
            Err(EncodeError::ReasonNotAllowed { packet, reason })
        }
    }

    fn check_reasons(&self, packet: PacketType, reasons: &[ReasonCode]) -> Result<(), EncodeError> {
        check_not_empty(packet, reasons.len())?;
        reasons.iter().try_for_each(|&reason| self.check_reason(packet, reason))
    }
}

const fn is_ack(packet: PacketType) -> bool {
    matches!(packet, PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp)
}

const fn check_not_empty(packet: PacketType, entries: usize) -> Result<(), EncodeError> {
    if entries == 0 { Err(EncodeError::EmptyList { packet }) } else { Ok(()) }
}
