//! What happened to one message, for whoever looks for the cause: both ledgers and the kills in the order of time.

use std::collections::BTreeMap;

use crate::crash::books::{Breach, Line, packet_ids};
use crate::crash::packets::lines_of;

/// So many breaches are told in full.
const TOLD_MAX: usize = 3;

/// So many lines about everything else are told before and after those about the message.
const MARGIN_MICROS: u64 = 300_000;

/// The ledgers and the harness's own notes.
pub(super) struct Sources<'a> {
    pub(super) published: &'a [Line],
    pub(super) received: &'a [Line],
    pub(super) notes: &'a [Line],
    /// The broker's own words.
    pub(super) log: &'a [Line],
}

impl Sources<'_> {
    /// All breaches in a line each, the first of them with their history.
    pub(super) fn tell(&self, breaches: &[Breach]) -> String {
        let mut text = format!("{} messages broke a rule", breaches.len());
        for (at, breach) in breaches.iter().enumerate() {
            text.push_str(&format!("\nmessage {} {}", breach.number, breach.what));
            if at < TOLD_MAX {
                text.push_str(&self.of(breach.number));
            }
        }
        text
    }

    fn of(&self, number: u64) -> String {
        let all = [("publisher", self.published), ("subscriber", self.received), ("xtask", self.notes)];
        let named = all.iter().flat_map(|(who, lines)| lines.iter().map(move |line| (*who, line)));
        let about: Vec<u64> = named
            .clone()
            .filter(|(_, line)| line.number == Some(number))
            .map(|(_, line)| line.micros)
            .collect();
        let first = about.iter().min().copied().unwrap_or_default().saturating_sub(MARGIN_MICROS);
        let last = about.iter().max().copied().unwrap_or_default() + MARGIN_MICROS;
        let ids = packet_ids(self.received, number);
        let answers = self.log.iter().filter(|line| is_about(&line.rest, &ids));
        // A line may be both.
        let of_broker: BTreeMap<*const Line, &Line> =
            answers.chain(lines_of(self.log, number)).map(|line| (std::ptr::from_ref(line), line)).collect();
        let of_broker = of_broker.into_values().map(|line| ("broker", line));
        let mut told: Vec<(&str, &Line)> = named
            .filter(|(_, line)| line.number.is_none() || line.number == Some(number))
            .chain(of_broker)
            .filter(|(_, line)| (first..=last).contains(&line.micros))
            .collect();
        told.sort_by_key(|(_, line)| line.micros);
        let row = |(who, line): &(&str, &Line)| {
            let ms = (line.micros - first) as f64 / 1000.0;
            let number = line.number.map(|number| number.to_string()).unwrap_or_default();
            format!("\n  {ms:10.3} ms  {who:10} {} {number} {}", line.word, line.rest)
        };
        told.iter().map(row).collect()
    }
}

/// Whether a line of Mosquitto's log is about the subscriber's packets with these identifiers, or about connections.
fn is_about(text: &str, ids: &[String]) -> bool {
    if ["connected from", "Sending CONNACK", "closed its", "terminating"]
        .iter()
        .any(|part| text.contains(part))
    {
        return true;
    }
    let names = |id: &String| {
        [
            format!(" m{id},"),
            format!(", m{id},"),
            format!("Mid: {id},"),
            format!("Mid: {id})"),
            format!("m{id}, rc"),
        ]
        .iter()
        .any(|part| text.contains(part.as_str()))
    };
    text.contains("crash-subscriber") && ids.iter().any(names)
}
