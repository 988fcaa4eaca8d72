//! PUBACK, PUBREC, PUBREL and PUBCOMP of 5.0 (sections 3.4 to 3.7), with their short forms.

use alloc::boxed::Box;

use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::read_ack_properties;
use crate::codec::v5::read_reason;
use crate::codec::writer::Writer;
use crate::packet::{Ack, AckProperties, PacketType};
use crate::reason::{ReasonCode, Role};

#[inline]
pub(crate) fn read(reader: &mut Reader<'_>, packet: PacketType, sender: Role) -> Decoded<Ack> {
    let packet_id = reader.packet_id()?;
    if reader.left() == 0 {
        return Ok(Ack::success(packet_id));
    }
    let reason = read_reason(reader, packet, sender)?;
    let mut ack = Ack::new(packet_id, reason);
    if reader.left() > 0 {
        let properties = read_ack_properties(reader)?;
        ack.properties = (!properties.is_empty()).then(|| Box::new(properties));
    }
    Ok(ack)
}

pub(crate) fn write(w: &mut Writer<'_>, ack: &Ack, keep: Keep) {
    w.packet_id(ack.packet_id);
    let properties = ack.properties.as_deref().filter(|properties| has_any(properties, keep));
    if ack.reason != ReasonCode::Success || properties.is_some() {
        w.u8(ack.reason.as_u8());
    }
    if let Some(properties) = properties {
        w.section(|w| w.ack_properties(properties, keep));
    }
}

fn has_any(properties: &AckProperties, keep: Keep) -> bool {
    keep.reason_string(&properties.reason_string).is_some()
        || !keep.user_properties(&properties.user_properties).is_empty()
}
