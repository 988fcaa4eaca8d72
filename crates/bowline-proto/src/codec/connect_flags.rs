//! The flag byte of CONNECT, which all versions share: flags and fields stay in step because both come from options.

use crate::codec::error::DecodeErrorKind;
use crate::codec::reader::{Decoded, Reader};
use crate::packet::Connect;
use crate::types::QoS;
use crate::version::Version;

/// Which fields a CONNECT has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectFlags {
    pub(crate) clean_start: bool,
    pub(crate) will: Option<WillFlags>,
    pub(crate) has_user_name: bool,
    pub(crate) has_password: bool,
}

/// What the flag byte says about the will.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WillFlags {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

const RESERVED: u8 = 0b0000_0001;
const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS_SHIFT: u32 = 3;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

impl ConnectFlags {
    pub(crate) fn read(reader: &mut Reader<'_>, version: Version) -> Decoded<Self> {
        let value = reader.u8("connect flags")?;
        let bad = DecodeErrorKind::BadBits { field: "connect flags", value };
        // [MQTT-3.1.2-3] [MQTT-3.1.2-3 of 3.1.1]; 3.1 does not look at this bit.
        if value & RESERVED != 0 && version != Version::V3_1 {
            return Err(bad);
        }
        // [MQTT-3.1.2-12] [MQTT-3.1.2-14 of 3.1.1]
        let qos = QoS::from_u8(value >> WILL_QOS_SHIFT & 0b11).ok_or(bad)?;
        let retain = value & WILL_RETAIN != 0;
        let has_will = value & WILL != 0;
        // [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-13 of 3.1.1] [MQTT-3.1.2-15 of 3.1.1]
        if !has_will && (retain || qos != QoS::AtMostOnce) {
            return Err(bad);
        }
        Ok(Self {
            clean_start: value & CLEAN_START != 0,
            will: has_will.then_some(WillFlags { qos, retain }),
            has_user_name: value & USER_NAME != 0,
            has_password: value & PASSWORD != 0,
        })
    }

    pub(crate) fn of(connect: &Connect) -> Self {
        // [MQTT-3.1.2-9] [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.2-18 of 3.1.1]
        // [MQTT-3.1.2-19 of 3.1.1] [MQTT-3.1.2-20 of 3.1.1] [MQTT-3.1.2-21 of 3.1.1]
        Self {
            clean_start: connect.clean_start,
            will: connect
                .will
                .as_ref()
                .map(|will| WillFlags { qos: will.message.qos, retain: will.message.retain }),
            has_user_name: connect.user_name.is_some(),
            has_password: connect.password.is_some(),
        }
    }

    pub(crate) fn as_u8(self) -> u8 {
        // [MQTT-3.1.2-11 of 3.1.1]
        let will = self.will.map_or(0, |will| {
            WILL | will.qos.as_u8() << WILL_QOS_SHIFT | if will.retain { WILL_RETAIN } else { 0 }
        });
        will | if self.clean_start { CLEAN_START } else { 0 }
            | if self.has_user_name { USER_NAME } else { 0 }
            | if self.has_password { PASSWORD } else { 0 }
    }
}
