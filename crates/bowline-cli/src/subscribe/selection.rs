//! Which of the messages that arrive are written. Knows nothing of how.

use bowline::{Delivery, TopicFilter};
use clap::Args;

#[derive(Args)]
#[command(next_help_heading = "Selection (what is left out is acknowledged, and does not count for -C)")]
pub(super) struct Selection {
    /// Leave out topics that match this filter; can be repeated
    #[arg(short = 'T', long, value_name = "FILTER", value_parser = filter)]
    filter_out: Vec<TopicFilter>,

    /// Leave out what the broker had kept from before (retained messages)
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,

    /// Write only what the broker had kept from before, and end when another message comes
    #[arg(long)]
    retained_only: bool,
}

impl Selection {
    pub(super) fn wants(&self, delivery: &Delivery) -> bool {
        let message = delivery.message();
        if self.no_retained && message.retain() {
            return false;
        }
        !self.filter_out.iter().any(|filter| filter.matches(&message.content().topic))
    }

    /// Whether this message is the end of what is wanted, and not a part of it.
    pub(super) fn is_ended_by(&self, delivery: &Delivery) -> bool {
        self.retained_only && !delivery.message().retain()
    }
}

fn filter(text: &str) -> Result<TopicFilter, String> {
    TopicFilter::try_from(text).map_err(|error| format!("it {error}"))
}
