//! `-F`: how a message is written, in the language of mosquitto_sub. Knows no stream of bytes.

use std::io::Write;
use std::time::{Duration, SystemTime};

use bowline::Message;

use crate::json::Json;
use crate::subscribe::time::{civil, civil_with_micros};

/// What is written of each message, one piece after the other.
#[derive(Clone, Debug)]
pub(super) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(char),
}

/// What can follow a `%`, besides another one.
const FIELDS: &str = "tpxXqrmlCDEFPRIUj";

impl Format {
    /// The payload alone, or with its topic.
    pub(super) fn plain(has_topic: bool) -> Self {
        let payload = Piece::Field('p');
        Self(if has_topic {
            vec![Piece::Field('t'), Piece::Text(b" ".to_vec()), payload]
        } else {
            vec![payload]
        })
    }

    /// Reads a format.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = vec![];
        let mut between = String::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let next = if matches!(char, '%' | '\\') { chars.next() } else { None };
            match (char, next) {
                ('%', Some('%')) => between.push('%'),
                ('%', Some(field)) if FIELDS.contains(field) => {
                    if !between.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut between).into_bytes()));
                    }
                    pieces.push(Piece::Field(field));
                }
                ('%' | '\\', None) => return Err(format!("nothing follows the last {char}")),
                ('%', Some(other)) => {
                    return Err(format!("there is no %{other}; --help lists what there is"));
                }
                ('\\', Some(escaped)) => between.push(match escaped {
                    '\\' => '\\',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'a' => '\x07',
                    'e' => '\x1B',
                    'v' => '\x0B',
                    '0' => '\0',
                    other => return Err(format!("there is no \\{other}")),
                }),
                (other, _) => between.push(other),
            }
        }
        if !between.is_empty() {
            pieces.push(Piece::Text(between.into_bytes()));
        }
        Ok(Self(pieces))
    }

    /// Writes a message that arrived at this time.
    pub(super) fn write(&self, message: &Message, at: SystemTime, to: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => to.extend_from_slice(text),
                Piece::Field(field) => {
                    write_field(*field, message, at, to).expect("a vector takes all");
                }
            }
        }
    }
}

fn write_field(field: char, message: &Message, at: SystemTime, to: &mut Vec<u8>) -> std::io::Result<()> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let properties = message.properties();
    match field {
        't' => to.extend_from_slice(message.topic().as_bytes()),
        'p' => to.extend_from_slice(message.payload()),
        'x' => message.payload().iter().try_for_each(|byte| write!(to, "{byte:02x}"))?,
        'X' => message.payload().iter().try_for_each(|byte| write!(to, "{byte:02X}"))?,
        'q' => write!(to, "{}", message.qos().as_u8())?,
        'r' => write!(to, "{}", u8::from(message.retain()))?,
        'm' => write!(to, "{}", message.packet_id().map_or(0, |id| id.as_u16()))?,
        'l' => write!(to, "{}", message.payload().len())?,
        'I' => write!(to, "{}+0000", civil(since))?,
        'U' => write!(to, "{}.{:09}", since.as_secs(), since.subsec_nanos())?,
        'j' => to.extend_from_slice(json(message, since).as_bytes()),
        'P' => {
            let pairs = message.user_properties().iter();
            let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}:{value}")).collect();
            to.extend_from_slice(pairs.join(" ").as_bytes());
        }
        'C' => write_text(properties.and_then(|it| it.content_type.as_ref()), to)?,
        'R' => write_text(properties.and_then(|it| it.response_topic.as_ref()), to)?,
        'E' => write_text(properties.and_then(|it| it.expiry_secs), to)?,
        'F' => write_text(properties.and_then(|it| it.payload_format).map(|it| it as u8), to)?,
        'D' => to.extend(properties.and_then(|it| it.correlation_data.clone()).unwrap_or_default()),
        other => unreachable!("%{other} is refused when the format is read"),
    }
    Ok(())
}

fn write_text(value: Option<impl std::fmt::Display>, to: &mut Vec<u8>) -> std::io::Result<()> {
    value.map_or(Ok(()), |value| write!(to, "{value}"))
}

/// The object that mosquitto_sub writes; bytes that are no text are there in hexadecimal digits, under a name of their own.
fn json(message: &Message, since: Duration) -> String {
    let mut fields = vec![
        ("tst", Json::text(&format!("{}Z+0000", civil_with_micros(since)))),
        ("topic", Json::text(message.topic())),
        ("qos", Json::number(message.qos().as_u8())),
        ("retain", Json::number(u8::from(message.retain()))),
        ("payloadlen", Json::number(message.payload().len() as u64)),
    ];
    fields.extend(message.packet_id().map(|id| ("mid", Json::number(id.as_u16()))));
    let properties = properties(message);
    if !properties.is_empty() {
        fields.push(("properties", Json::object(properties)));
    }
    fields.push(match message.text() {
        Ok(text) => ("payload", Json::text(text)),
        Err(_) => ("payload-hex", Json::text(&hex(message.payload()))),
    });
    Json::object(fields).into_text()
}

fn properties(message: &Message) -> Vec<(&'static str, Json)> {
    let Some(properties) = message.properties() else { return Vec::new() };
    let mut fields = Vec::new();
    let format = properties.payload_format.map(|format| Json::number(format as u8));
    fields.extend(format.map(|format| ("payload-format-indicator", format)));
    fields.extend(properties.expiry_secs.map(|secs| ("message-expiry-interval", Json::number(secs))));
    fields.extend(properties.content_type.as_ref().map(|text| ("content-type", Json::text(text.as_str()))));
    let response = properties.response_topic.as_ref();
    fields.extend(response.map(|topic| ("response-topic", Json::text(topic.as_str()))));
    fields.extend(properties.correlation_data.as_ref().map(|data| match std::str::from_utf8(data) {
        Ok(text) => ("correlation-data", Json::text(text)),
        Err(_) => ("correlation-data-hex", Json::text(&hex(data))),
    }));
    if !properties.user_properties.is_empty() {
        let user = properties.user_properties.iter();
        let user = user.map(|(name, value)| (name.as_str(), Json::text(value.as_str())));
        fields.push(("user-properties", Json::object(user)));
    }
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_text_with_fields_and_control_characters_in_it() {
        let Format(pieces) = Format::parse("a%t%%\\n\\\\%p").unwrap();
        let text = |text: &str| Piece::Text(text.into());
        assert_eq!(pieces, [text("a"), Piece::Field('t'), text("%\n\\"), Piece::Field('p')]);
        assert_eq!(Format::parse("").unwrap().0, []);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (format, name) in
            [("%J", "%J"), ("%", "the last %"), ("a\\", "the last \\"), ("\\q", "\\q"), ("%5t", "%5")]
        {
            let refused = Format::parse(format).unwrap_err();
            assert!(refused.contains(name), "{format}: {refused}");
        }
    }
}
